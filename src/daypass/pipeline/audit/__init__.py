"""Looking back and around: answers, proofs and examinations that change nothing."""
