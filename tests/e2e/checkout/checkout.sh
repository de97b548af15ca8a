# What actions/checkout does, for a runner without the network: see action.yml beside this file.
set -euo pipefail
[ "$REFUSED" = "false false" ] || { echo "lfs and submodules are not known here" >&2; exit 1; }
mkdir -p "$FOLDER"
cd "$FOLDER"
git init -q --initial-branch=main
git remote add origin "$GITHUB_SERVER_URL/$REPOSITORY"
key="http.$GITHUB_SERVER_URL/.extraheader"
value="AUTHORIZATION: basic $(printf 'x-access-token:%s' "$TOKEN" | base64 | tr -d '\n')"
authorized() { git -c "$key=$value" -c protocol.version=2 "$@"; }
options=(-q --no-recurse-submodules)
[ "$DEPTH" = 0 ] || options+=("--depth=$DEPTH")
[ "$TAGS" = true ] || options+=(--no-tags)
[ -n "$FILTER" ] && options+=("--filter=$FILTER")
[ -z "$FILTER" ] && [ -n "$SPARSE" ] && options+=(--filter=blob:none)
if [ -n "$SPARSE" ]; then
  folders=()
  while IFS= read -r folder; do [ -z "$folder" ] || folders+=("$folder"); done <<<"$SPARSE"
  if [ "$CONE" = true ]; then git sparse-checkout set --cone "${folders[@]}"; else git sparse-checkout set --no-cone "${folders[@]}"; fi
fi
wanted="${REF:-$OWN_REF}"
if [ "$DEPTH" = 0 ]; then authorized fetch "${options[@]}" origin '+refs/heads/*:refs/remotes/origin/*'; fi
case $wanted in
refs/pull/*)
  place="refs/remotes/${wanted#refs/}"
  authorized fetch "${options[@]}" origin "+$OWN_SHA:$place"
  authorized checkout -q --detach "$place"
  ;;
*)
  if [[ $wanted =~ ^[0-9a-f]{40}$ ]]; then
    authorized fetch "${options[@]}" origin "$wanted"
    authorized checkout -q --detach "$wanted"
  else
    branch="${wanted#refs/heads/}"
    start="refs/heads/$branch"
    [ -z "$REF" ] && start="$OWN_SHA" # a run's own branch is taken at the run's commit, wherever it is by now
    authorized fetch "${options[@]}" origin "+$start:refs/remotes/origin/$branch"
    authorized checkout -q --no-track -B "$branch" "refs/remotes/origin/$branch"
  fi
  ;;
esac
[ "$KEEP" = false ] || git config --local "$key" "$value"
