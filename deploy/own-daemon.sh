# shellcheck shell=bash
# For scripts: a cairnd of their own, on a state folder of its own. Sourced; needs cairnd and cairn on PATH.

# start_own_daemon STATE: starts cairnd, sets CAIRN_HOST for what follows and stops it when the script ends.
start_own_daemon() {
  local state=$1
  mkdir -p "$state"
  export CAIRN_HOST=unix://$state/cairnd.sock
  # One at a time: the second of two would find the first one's folder locked.
  exec {own_daemon_lock}>"$state/lock"
  if ! flock --nonblock "$own_daemon_lock"; then
    echo "$state is in use: this script runs already, or what it started before does" >&2
    return 1
  fi
  cairnd --root "$state/root" --addr "$CAIRN_HOST" 2>"$state/cairnd.log" {own_daemon_lock}>&- &
  own_daemon=$!
  trap stop_own_daemon EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if ! cairn workers --wait 15s >/dev/null; then
    echo "cairnd did not start; its log ends:" >&2
    tail -n 20 "$state/cairnd.log" >&2
    return 1
  fi
}

stop_own_daemon() {
  kill "$own_daemon" 2>/dev/null || true
  wait "$own_daemon" 2>/dev/null || true
}
