"""OpenSSH user certificates: access that ends by itself, and a list of those that must end before.

Formats: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.certkeys and PROTOCOL.krl there.
"""
