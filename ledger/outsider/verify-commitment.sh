#!/bin/sh
# Shows that a record is about a body, without any code of this project: openssl is all it takes.
#
#   verify-commitment.sh RECORD LABEL SALT BODY
#
# LABEL (in, out, …) and SALT (hexadecimal) are from the opening; BODY is the file with the bytes as they were exchanged.
set -eu
[ $# -eq 4 ] || { echo "usage: $0 RECORD LABEL SALT BODY" >&2; exit 2; }
# HMAC-SHA-256(salt, label || SHA-256(body))
commitment=$( { printf %s "$2"; openssl dgst -sha256 -binary "$4"; } \
  | openssl dgst -sha256 -r -mac HMAC -macopt "hexkey:$3" | cut -c1-64)
if grep -q "\"$2\":\"$commitment\"" "$1"; then
  echo "the record's commitment \"$2\" is to this body"
else
  echo "the record's commitment \"$2\" is to something else" >&2
  exit 1
fi
