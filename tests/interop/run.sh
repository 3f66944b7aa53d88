#!/bin/sh
# run.sh [PYTEST]: SOAP clients of other languages against the gateway.
# As root it installs what is missing; as an ordinary user it runs what is there, lists what it could not run and exits 3.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
pytest=$(realpath "${1:-$root/.venv/bin/pytest}" 2>/dev/null)
[ -x "$pytest" ] || { echo "no pytest at ${1:-$root/.venv/bin/pytest}"; exit 1; }
cd "$root" || exit 1
PATH=$PATH:/usr/sbin:/sbin # servers, which an ordinary PATH does not have

table() { sed '/^#/d; /^[[:space:]]*$/d' "$here/packages.txt"; }
column() { printf '%s\n' "$1" | cut -d'|' -f"$2" | sed 's/^ *//; s/ *$//'; }

# prints the lines of packages.txt whose command fails
missing() {
    table | while IFS= read -r line; do
        sh -c "$(column "$line" 2)" >/dev/null 2>&1 </dev/null || printf '%s\n' "$line"
    done
}

absent=$(missing)
if [ -n "$absent" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    packages=$(printf '%s\n' "$absent" | cut -d'|' -f3)
    echo "installing: $(echo $packages)"
    # shellcheck disable=SC2086  # several words are meant
    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages) \
        >/tmp/interop-apt.$$ 2>&1 || tail -n 20 /tmp/interop-apt.$$
    rm -f /tmp/interop-apt.$$
    absent=$(missing)
fi

cannot=$(printf '%s\n' "$absent" | cut -d'|' -f1)
case " $(echo $cannot) " in
*" node "*) ;;
*)
    if [ ! -e "$here/clients/node/node_modules/.package-lock.json" ] ||
        [ "$here/clients/node/package-lock.json" -nt "$here/clients/node/node_modules/.package-lock.json" ]; then
        (cd "$here/clients/node" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error) || cannot="$cannot node-modules"
    fi
    ;;
esac
cannot=$(echo $cannot)

# a stack that cannot run is left out by name, and named below
leave_out=$(for one in $cannot; do echo "${one%-modules}"; done | sed 's/^/not /' | paste -s -d'&' | sed 's/&/ and /g')
"$pytest" -m interop tests/interop ${leave_out:+-k "$leave_out"}
status=$?
[ -n "$cannot" ] || exit $status
echo "could not run: $cannot"
printf '%s\n' "$absent" | while IFS= read -r line; do
    [ -z "$line" ] || echo "  $(column "$line" 1): needs $(column "$line" 3) (as root: apt-get install, or run this as root)"
done
# a real failure says more than an absence
case $status in 0 | 5) exit 3 ;; *) exit $status ;; esac
