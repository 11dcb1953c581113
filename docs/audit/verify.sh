#!/usr/bin/env bash
# Verifies an export of a log, and receipts that were kept, with OpenSSL, sha256sum and coreutils alone.
#
#   verify.sh --vkey KEY [--tiles DIR] [--receipt FILE]... [--checkpoint FILE]...
#
# KEY is the verifier key that you pinned, or a file with it. Checked is that the key signed each head; that
# the records in DIR, and each of them, hash to the signed root; that the record in a receipt stands under the
# head of the receipt; and, with DIR, that the log still begins with what each receipt and checkpoint covers.
# Exit code 0 only if every check ran and passed. Nothing here judges whether the approvals in the records are
# right: that is what `approvals verify` adds.
#
# The formats: https://c2sp.org/signed-note, tlog-checkpoint, tlog-tiles, tlog-proof; RFC 6962 section 2.1.
set -euo pipefail
export LC_ALL=C

usage() {
    echo "usage: verify.sh --vkey KEY [--tiles DIR] [--receipt FILE]... [--checkpoint FILE]..." >&2
    exit 2
}

fail() {
    echo "FAIL       $*"
    exit 1
}

# --- bytes ---------------------------------------------------------------------------------------------------

# Base64 in its one spelling, to a file.
unbase64() {
    printf '%s' "$1" | base64 -d > "$2" 2> /dev/null || return 1
    [ "$(base64 -w 0 < "$2")" = "$1" ]
}

# The bytes of a file in hexadecimal.
hex() {
    od -An -v -tx1 "$1" | tr -d ' \n'
}

# The SHA-256 of bytes given in hexadecimal.
sha256() {
    printf '%s' "$1" | tr a-f A-F | basenc --base16 -d | sha256sum | cut -c 1-64
}

# A hash in base64, in hexadecimal.
hash_of() {
    [ "${#1}" = 44 ] && unbase64 "$1" "$work/hash" || return 1
    hex "$work/hash"
}

# The lines of a text file, which must be plain and end with a newline, in `lines`.
read_lines() {
    [ -f "$1" ] || return 1
    mapfile -t lines < "$1"
    printf '%s\n' "${lines[@]}" | cmp -s - "$1" || return 1
    [[ ! "${lines[*]}" =~ [$'\001'-$'\037'$'\177'] ]]
}

# --- the key and the heads it signs --------------------------------------------------------------------------

read_key() {
    local text=$1 rest
    if [ -f "$1" ]; then
        text=$(cat "$1")
    fi
    name=${text%%+*}
    rest=${text#*+}
    id=${rest%%+*}
    unbase64 "${rest#*+}" "$work/key" || fail "the key is not a verifier key: $1"
    [ "$(hex "$work/key" | cut -c 1-2)" = 01 ] && [ "$(wc -c < "$work/key")" = 33 ] ||
        fail "the key is not an Ed25519 verifier key: $1"
    [ "$({ printf '%s\n' "$name"; cat "$work/key"; } | sha256sum | cut -c 1-8)" = "$id" ] ||
        fail "the id in the key is not that of the key: $1"
    # The DER of an Ed25519 public key is these twelve bytes and the key.
    { printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00'; tail -c 32 "$work/key"; } > "$work/key.der"
}

# Verifies the note in a file; gives `size` and `root`.
read_head() {
    local line signed=no
    read_lines "$1" || fail "$2: there is no checkpoint, or it is not plain text"
    [ "${#lines[@]}" -ge 5 ] && [ -z "${lines[3]}" ] || fail "$2: the checkpoint is not three lines and signatures"
    [ "${lines[0]}" = "$name" ] || fail "$2: the checkpoint is of the log ${lines[0]}"
    size=${lines[1]}
    [[ "$size" =~ ^[1-9][0-9]{0,17}$ ]] || fail "$2: the checkpoint covers no records"
    root=$(hash_of "${lines[2]}") || fail "$2: the root is no hash"
    printf '%s\n' "${lines[@]:0:3}" > "$work/body"
    for line in "${lines[@]:4}"; do
        [[ "$line" == $'\xe2\x80\x94 '*' '* ]] || fail "$2: a signature line is malformed"
        line=${line#* }
        [ "${line% *}" = "$name" ] || continue
        unbase64 "${line##* }" "$work/signature" || fail "$2: a signature line is malformed"
        [ "$(hex "$work/signature" | cut -c 1-8)" = "$id" ] || continue
        tail -c +5 "$work/signature" > "$work/bare"
        openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key.der" -rawin -in "$work/body" \
            -sigfile "$work/bare" > "$work/said" 2>&1 || fail "$2: the signature does not verify"
        signed=yes
    done
    [ "$signed" = yes ] || fail "$2: the checkpoint is not signed with the key"
}

# --- the tree ------------------------------------------------------------------------------------------------

# Hashes all files of a folder, in the order of their names, into `hashes`.
hash_files() {
    mapfile -t hashes < <(cd "$1" && sha256sum -- * | cut -c 1-64)
}

# The leaf hashes of the records in one tile of records, added to `leaves`.
read_entries() {
    local file=$1 width=$2 dump at=0 count=0 length record
    [ -f "$file" ] || fail "${file#"$tiles"/} is missing"
    # Three characters a byte: a space and two digits.
    dump=$(od -An -v -tx1 -w1 "$file" | tr -d '\n')
    rm -rf "$work/records"
    mkdir "$work/records"
    while [ "$at" -lt "${#dump}" ]; do
        length=${dump:at:6}
        [ "${#length}" = 6 ] || fail "${file#"$tiles"/} ends inside of a record"
        length=$((16#${length// /} * 3))
        record=${dump:at+6:length}
        [ "${#record}" = "$length" ] || fail "${file#"$tiles"/} ends inside of a record"
        printf '%b' "\\x00${record// /\\x}" > "$work/records/$(printf '%03d' "$count")"
        at=$((at + 6 + length))
        count=$((count + 1))
    done
    [ "$count" = "$width" ] || fail "${file#"$tiles"/} holds $count records and not $width"
    hash_files "$work/records"
    leaves+=("${hashes[@]}")
}

read_tiles() {
    local index=0 path left=$size
    leaves=()
    while [ "$left" -gt 0 ]; do
        path=$(printf '%03d' $((index % 1000)))
        local rest=$((index / 1000))
        while [ "$rest" -gt 0 ]; do
            path=$(printf 'x%03d/%s' $((rest % 1000)) "$path")
            rest=$((rest / 1000))
        done
        path=$tiles/tile/entries/$path
        if [ "$left" -ge 256 ]; then
            read_entries "$path" 256
        else
            read_entries "$path.p/$left" "$left"
        fi
        index=$((index + 1))
        left=$((left > 256 ? left - 256 : 0))
    done
}

# The root over the first so many leaves, in `computed`: pairs are joined, and what is left over moves up.
root_of() {
    local level=("${leaves[@]:0:$1}") pairs at
    while [ "${#level[@]}" -gt 1 ]; do
        local above=()
        for ((at = 0; at + 1 < ${#level[@]}; at += 512)); do
            pairs=("${level[@]:at:512}")
            rm -rf "$work/nodes"
            mkdir "$work/nodes"
            printf '01%s%s' "${pairs[@]:0:${#pairs[@]} / 2 * 2}" | tr a-f A-F | basenc --base16 -d |
                split -b 65 -a 3 -d - "$work/nodes/"
            hash_files "$work/nodes"
            above+=("${hashes[@]}")
        done
        if [ $((${#level[@]} % 2)) = 1 ]; then
            above+=("${level[-1]}")
        fi
        level=("${above[@]}")
    done
    computed=${level[0]}
}

# --- receipts ------------------------------------------------------------------------------------------------

# Verifies a receipt by itself; gives `index` and `leaf`, and `size` and `root` of its head.
read_receipt() {
    local text proof=() at place last hash
    read_lines "$1" || fail "$1: there is no receipt, or it is not plain text"
    text=("${lines[@]}")
    [ "${text[0]}" = c2sp.org/tlog-proof@v1 ] || fail "$1: this is no receipt"
    [[ "${text[1]:-}" == 'extra '* ]] && unbase64 "${text[1]#extra }" "$work/record" ||
        fail "$1: the receipt holds no record"
    [[ "${text[2]:-}" =~ ^index\ (0|[1-9][0-9]{0,17})$ ]] || fail "$1: the receipt has no index"
    index=${text[2]#index }
    for ((at = 3; at < ${#text[@]}; at++)); do
        [ -n "${text[at]}" ] || break
        hash=$(hash_of "${text[at]}") || fail "$1: line $((at + 1)) is no hash"
        proof+=("$hash")
    done
    [ "$((at + 1))" -lt "${#text[@]}" ] || fail "$1: the receipt has no checkpoint"
    printf '%s\n' "${text[@]:at+1}" > "$work/note"
    read_head "$work/note" "$1"
    leaf=$({ printf '\x00'; cat "$work/record"; } | sha256sum | cut -c 1-64)
    # RFC 9162, section 2.1.3.2.
    [ "$index" -lt "$size" ] || fail "$1: record $index is not among $size records"
    computed=$leaf
    place=$index
    last=$((size - 1))
    for hash in ${proof[@]+"${proof[@]}"}; do
        [ "$last" -gt 0 ] || fail "$1: the proof is too long"
        if [ $((place % 2)) = 1 ] || [ "$place" = "$last" ]; then
            computed=$(sha256 "01$hash$computed")
            while [ $((place % 2)) = 0 ] && [ "$place" -gt 0 ]; do
                place=$((place / 2))
                last=$((last / 2))
            done
        else
            computed=$(sha256 "01$computed$hash")
        fi
        place=$((place / 2))
        last=$((last / 2))
    done
    [ "$last" = 0 ] && [ "$computed" = "$root" ] || fail "$1: the record does not stand under the signed root"
}

# The log in the tiles must begin with the `size` records that have this `root`.
check_prefix() {
    [ -n "$tiles" ] || return 0
    [ "$size" -le "${#leaves[@]}" ] ||
        fail "$1: it covers $size records and the log has ${#leaves[@]}: the log was cut or rolled back"
    root_of "$size"
    [ "$computed" = "$root" ] || fail "$1: the log does not begin with what it covers: it was forked or rewritten"
}

# --- what was asked ------------------------------------------------------------------------------------------

vkey= tiles= receipts=() checkpoints=()
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --vkey) vkey=$2 ;;
    --tiles) tiles=$2 ;;
    --receipt) receipts+=("$2") ;;
    --checkpoint) checkpoints+=("$2") ;;
    *) usage ;;
    esac
    shift 2
done
[ -n "$vkey" ] && [ -n "$tiles${receipts[*]-}${checkpoints[*]-}" ] || usage

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
read_key "$vkey"
echo "log        $name"
if [ -n "$tiles" ]; then
    read_head "$tiles/checkpoint" "$tiles/checkpoint"
    read_tiles
    root_of "$size"
    [ "$computed" = "$root" ] || fail "the records do not hash to the root that was signed"
    echo "tiles      pass, $size records hash to the signed root"
fi
for file in ${checkpoints[@]+"${checkpoints[@]}"}; do
    read_head "$file" "$file"
    check_prefix "$file"
    echo "checkpoint pass, $file, of $size records"
done
for file in ${receipts[@]+"${receipts[@]}"}; do
    read_receipt "$file"
    check_prefix "$file"
    [ -z "$tiles" ] || [ "${leaves[index]}" = "$leaf" ] || fail "$file: the log has another record $index"
    echo "receipt    pass, $file, record $index under a head of $size records"
done
echo "result     PASS"
