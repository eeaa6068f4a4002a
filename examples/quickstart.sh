#!/bin/bash
# From nothing to signatures: a SoftHSM token, a real gpg-agent with scd, and gpg, gpgsm and ssh using the token's keys.
# `make demo` runs it. Everything happens in a throw-away home under /tmp, which is removed at the end; your own GnuPG
# home is not touched. Stops at the first command that fails, with its message and an exit status that is not 0.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
scd=${SCD_PROGRAM:-$here/.venv/bin/scd}
python=${SCD_PYTHON:-$here/.venv/bin/python}
fixtures=$here/softhsm-fixtures

# --- showing what is done ------------------------------------------------------------------------------------------

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
step='starting' summary=()

# begin TITLE: the next step of the demonstration.
begin() {
  step=$1
  printf '\n%s== %s%s\n' "$bold" "$step" "$plain"
}
# passed WHAT: a line of the table at the end.
passed() { summary+=("$(printf '%-34s %s' "$step" "$1")"); }

# run COMMAND…: print a command, then run it; what it says comes indented.
run() {
  printf '%s$' "$bold"
  printf ' %s' "${@@Q}" | sed "s/'\([][A-Za-z0-9_.,:=@%^+/-]*\)'/\1/g"
  printf '%s\n' "$plain"
  "$@" 2>&1 </dev/null | sed 's/^/    /'
}

# write FILE: print a file that is made, then make it of what comes on stdin.
write() {
  printf '%s$ cat %s%s\n' "$bold" "${1/#$home\//}" "$plain"
  tee "$1" | sed 's/^/    /'
}

# --- a home that leaves no trace -----------------------------------------------------------------------------------

for needed in "$scd" "$python"; do
  [ -x "$needed" ] || { echo "quickstart: $needed is missing: run 'make setup' first" >&2; exit 1; }
done
umask 077
home=$(mktemp -d /tmp/demo-scd.XXXXXX)   # short: the path of a socket may have 107 characters
unset DISPLAY WAYLAND_DISPLAY GPG_TTY GPG_AGENT_INFO SSH_AGENT_PID
export GNUPGHOME=$home HOME=$home LC_ALL=C.UTF-8 SOFTHSM2_CONF=$home/softhsm/softhsm2.conf
agent_pid=''

# Whether a process is there and no zombie (its parent may be slow to collect it).
lives() { [ -e "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

descendants() {
  local child
  for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do echo "$child"; descendants "$child"; done
}

finish() {
  status=$?
  trap - EXIT
  if [ "$status" != 0 ]; then
    printf '\n%squickstart: failed at "%s" (exit status %s)%s\n' "$bold" "$step" "$status" "$plain" >&2
    for log in gpg-agent.log scd.log; do
      [ -s "$home/$log" ] && { echo "--- the end of $log:"; tail -n 25 "$home/$log"; } >&2
    done
  fi
  if [ -n "$agent_pid" ]; then
    left=$(descendants "$agent_pid")
    gpgconf --kill gpg-agent >/dev/null 2>&1 || true
    for pid in $agent_pid $left; do
      for _ in $(seq 100); do lives "$pid" || break; sleep 0.1; done
      if lives "$pid"; then
        echo "quickstart: process $pid outlived gpg-agent and was ended: $(tr '\0' ' ' <"/proc/$pid/cmdline")" >&2
        kill -KILL "$pid" 2>/dev/null || true
        status=${status/#0/1}
      fi
    done
  fi
  rm -rf "$home"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$home"

# --- the token and the agent ---------------------------------------------------------------------------------------

begin "a SoftHSM token"
run "$python" "$fixtures/mint.py" "$home/softhsm" --token work
sed -n '/^\[tokens.work\]/,/^pin/s/^pin = "\(.*\)"/\1/p' "$fixtures/tokens.toml" >"$home/demo-pin"
passed "RSA, P-256, P-384 and Ed25519 keys on token 'work'"

begin "gpg-agent with scd"
write "$home/gpg-agent.conf" <<END
scdaemon-program $scd
pinentry-program $here/examples/pinentry-from-file
enable-ssh-support
log-file $home/gpg-agent.log
END
cat >"$home/scd.conf" <<END
log-file $home/scd.log
END
printf '%s\n' no-tty batch disable-dirmngr no-auto-key-locate no-greeting >"$home/gpg.conf"
printf '%s\n' no-tty batch disable-crl-checks disable-dirmngr >"$home/gpgsm.conf"
run gpgconf --launch gpg-agent
agent_pid=$(gpg-connect-agent 'GETINFO pid' /bye | sed -n 's/^D //p')
run gpg-connect-agent 'SCD GETINFO version' /bye
passed "$(gpg --version | head -n 1), agent $agent_pid"

# --- OpenPGP -------------------------------------------------------------------------------------------------------

begin "gpg --card-status"
run gpg --card-status
passed "the token is a card to gpg"

begin "an OpenPGP key of the token's keys"
run gpg --quick-generate-key 'Alice <alice@example.org>' card default never
run gpg --list-secret-keys --with-keygrip
passed "made; the secret parts stay on the token"

echo "The quick brown fox signs with a token." >letter.txt
begin "a file signed and verified"
run gpg --local-user alice@example.org --armor --detach-sign letter.txt
run gpg --verify letter.txt.asc letter.txt
passed "good signature"

begin "a file encrypted and decrypted"
run gpg --recipient alice@example.org --output letter.gpg --encrypt letter.txt
run gpg --output letter.out --decrypt letter.gpg
run cmp letter.txt letter.out
passed "the token gave the text back"

# --- CMS -----------------------------------------------------------------------------------------------------------

begin "a CMS signature by gpgsm"
run gpgsm --import "$fixtures/keys/ca.crt.pem"
root=$(gpgsm --with-colons --list-keys 'scd Test CA' 2>/dev/null | awk -F: '/^fpr/ { print $10; exit }')
write "$home/trustlist.txt" <<END
$root S relax
END
run gpgconf --reload gpg-agent
run gpgsm --learn-card
run gpgsm --local-user 'Alice Work RSA' --output letter.p7s --detach-sign letter.txt
run gpgsm --verify letter.p7s letter.txt
passed "good signature, chain up to the test CA"

# --- ssh -----------------------------------------------------------------------------------------------------------

begin "an ssh signature through gpg-agent"
SSH_AUTH_SOCK=$(gpgconf --list-dirs agent-ssh-socket)
export SSH_AUTH_SOCK
run ssh-add -L
ssh-add -L | sed -n 1p >token.pub
run ssh-keygen -Y sign -f token.pub -n file letter.txt
echo "alice@example.org $(cat token.pub)" >allowed_signers
printf '%s$ ssh-keygen -Y verify -f allowed_signers -I alice@example.org -n file -s letter.txt.sig <letter.txt%s\n' "$bold" "$plain"
ssh-keygen -Y verify -f allowed_signers -I alice@example.org -n file -s letter.txt.sig <letter.txt | sed 's/^/    /'
passed "good signature"

step='summary'
printf '\n%s== done%s\n' "$bold" "$plain"
printf '  ok  %s\n' "${summary[@]}"
