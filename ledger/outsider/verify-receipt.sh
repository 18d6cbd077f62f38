#!/bin/sh
# Verifies a receipt without any code of this project: openssl, base64, od and awk are all it takes.
#
#   verify-receipt.sh KEY.pem RECEIPT [RECORD]
#
# KEY.pem is the log's public key, RECEIPT a file of the form c2sp.org/tlog-proof@v1. RECORD is the record, if the receipt
# does not carry it in its `extra` line. Exit 0 and two lines if it holds; exit 1 and the reason if not.
# docs/ledger.md explains each step.
set -eu
[ $# -ge 2 ] || { echo "usage: $0 KEY.pem RECEIPT [RECORD]" >&2; exit 2; }
key=$1
receipt=$2
record=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

refuse() { echo "$1" >&2; exit 1; }
hex() { od -An -v -tx1 | tr -d ' \n'; }
# Hexadecimal digits to bytes: xxd -r -p, for systems without xxd.
bytes() {
  printf '%b' "$(printf %s "$1" | awk '{
    for (i = 1; i < length($0); i += 2) {
      h = index("0123456789abcdef", substr($0, i, 1)) - 1; l = index("0123456789abcdef", substr($0, i + 1, 1)) - 1
      printf "\\0%03o", h * 16 + l
    }
  }')"
}
sha256_of_hex() { bytes "$1" | openssl dgst -sha256 -r | cut -c1-64; }

# 1. Take the receipt apart: header, record, index, proof; then the checkpoint: body, signature lines.
[ "$(head -n 1 "$receipt")" = "c2sp.org/tlog-proof@v1" ] || refuse "receipt: the first line is not c2sp.org/tlog-proof@v1"
awk -v work="$work" '
  part == 0 && $0 == "" { part = 1; next }
  part == 0 && $1 == "extra" { print $2 > (work "/extra"); next }
  part == 0 && $1 == "index" { print $2 > (work "/index"); next }
  part == 0 && NR > 1 { print > (work "/proof"); next }
  part == 1 && $0 == "" { part = 2; next }
  part == 1 { print > (work "/body") }
  part == 2 { print > (work "/signatures") }
' "$receipt"
for file in index body signatures; do [ -s "$work/$file" ] || refuse "receipt: no $file"; done
[ -e "$work/proof" ] || : > "$work/proof"
index=$(cat "$work/index")
origin=$(sed -n 1p "$work/body")
size=$(sed -n 2p "$work/body")
root=$(sed -n 3p "$work/body" | base64 -d | hex)
if [ -z "$record" ]; then
  [ -s "$work/extra" ] || refuse "index $index: the receipt carries no record, and none is given"
  base64 -d < "$work/extra" > "$work/record"
  record=$work/record
fi

# 2. The key's id: the first four bytes of SHA-256(name, newline, 0xff, "ecdsa-secp256k1-sha256", compressed key).
openssl pkey -pubin -in "$key" -pubout -outform DER -ec_conv_form compressed -out "$work/key.der" 2>/dev/null \
  || refuse "$key: no public key"
point=$(tail -c 33 "$work/key.der" | hex)
id=$( { printf '%s\n\377ecdsa-secp256k1-sha256' "$origin"; bytes "$point"; } | openssl dgst -sha256 -r | cut -c1-8)

# 3. The signature line of that name and id; its bytes after the id are an ECDSA signature (DER) of the body.
found=no
while read -r dash name blob; do
  [ "$dash" = "—" ] && [ "$name" = "$origin" ] || continue
  signature=$(printf %s "$blob" | base64 -d | hex)
  case $signature in "$id"*) ;; *) continue ;; esac
  bytes "${signature#"$id"}" > "$work/signature"
  openssl dgst -sha256 -verify "$key" -signature "$work/signature" "$work/body" >/dev/null 2>&1 \
    || refuse "checkpoint: the signature of $origin does not hold"
  found=yes
done < "$work/signatures"
[ $found = yes ] || refuse "checkpoint: no signature of this key"

# 4. From the record's leaf hash up to the root: SHA-256(00 record), then SHA-256(01 left right) for each line of the proof.
[ "$index" -lt "$size" ] || refuse "index $index: the tree has only $size entries"
hash=$( { printf '\000'; cat "$record"; } | openssl dgst -sha256 -r | cut -c1-64)
node=$index
last=$((size - 1))
while read -r line; do
  sibling=$(printf %s "$line" | base64 -d | hex)
  [ "$last" -gt 0 ] || refuse "index $index: the proof is too long"
  if [ $((node % 2)) -eq 1 ] || [ "$node" -eq "$last" ]; then
    hash=$(sha256_of_hex "01$sibling$hash")
    while [ $((node % 2)) -eq 0 ] && [ "$node" -ne 0 ]; do node=$((node / 2)); last=$((last / 2)); done
  else
    hash=$(sha256_of_hex "01$hash$sibling")
  fi
  node=$((node / 2))
  last=$((last / 2))
done < "$work/proof"
[ "$last" -eq 0 ] || refuse "index $index: the proof is too short"
[ "$hash" = "$root" ] || refuse "index $index: the proof does not lead from the record to the signed root"

echo "verified: entry $index of the $size entries of $origin"
cat "$record"
echo
