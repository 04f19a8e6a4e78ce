import { shellWord } from "./programs.ts";

/** Where a server lies on its host. */
export interface HostPlace {
  readonly dataDirectory: string;
  /** The folder of the server's programs. */
  readonly binDirectory: string;
  readonly configFile: string;
  readonly port: number;
  readonly system: string;
  /** Its standard error goes to a collector of its own, which ends with it. */
  readonly collectsLog: boolean;
}

/** What a detached script does. */
export interface HostScript {
  /** Told in the result, so that nobody takes an older one for it: letters and digits. */
  readonly token: string;
  /** `restart`: a fast restart; `rewind`: stop, pg_rewind, start as a standby. */
  readonly work: "restart" | "rewind";
  /** Something else starts the server once it has stopped. */
  readonly supervised: boolean;
  /** For pg_rewind: where from, without a password, which is apart. */
  readonly source?: { readonly conninfo: string; readonly password: string };
}

/** Seconds that a stop may take before the script gives up, or a rewind ends the server at once. */
export const STOP_SECONDS = 60;

/**
 * The folders in which a script, its log and its result may lie, best first: outside of the data directory, as pg_rewind would
 * overwrite them there.
 */
export function scratchFolders({ dataDirectory, port, system }: HostPlace): readonly [string, string] {
  const [, parent, name] = /^(.*)\/([^/]+)\/*$/.exec(dataDirectory) ?? [null, "", "data"];
  return [`${parent}/pgplex.${name}`, `/tmp/pgplex.${port}.${system}`];
}

/** The exit code of {@link startCommand} that means that there is no folder for the script. */
export const NO_FOLDER = 70;

/** That means that another script runs. */
export const SCRIPT_RUNS = 72;

/** A condition of a POSIX shell: the script of the folder `$W` runs. Its number may be another process's of the same user since. */
const RUNS = `P=$(cat "$W/pid" 2>/dev/null) && kill -0 "$P" 2>/dev/null && ` +
  `{ [ ! -r "/proc/$P/cmdline" ] || grep -q run.sh "/proc/$P/cmdline"; }`;

/** A command that ends with {@link SCRIPT_RUNS} where the script of a folder runs. */
export function scriptLookCommand(folder: string): string {
  return `W=${shellWord(folder)}; ! { ${RUNS}; } || exit ${SCRIPT_RUNS}`;
}

/**
 * A command that reads a script from standard input, in base64, and starts it detached. It ends at once: with {@link SCRIPT_RUNS} where
 * another one still runs. The folder is the server's user's
 * alone: whoever else may write to /tmp has no say in it.
 */
export function startCommand(place: HostPlace): string {
  const [first, second] = scratchFolders(place).map(shellWord);
  // A server that is told to stop tells the programs of its backends too.
  return `trap : TERM; umask 077; for W in ${first} ${second}; do mkdir "$W" 2>/dev/null; ` +
    `[ -d "$W" ] && [ -O "$W" ] && [ ! -L "$W" ] && [ -w "$W" ] && break; W=; done; ` +
    `[ -n "$W" ] || exit ${NO_FOLDER}; ${RUNS} && exit ${SCRIPT_RUNS}; base64 -d >"$W/run.sh" || exit 71; rm -f "$W/result"; S=$(command -v setsid); ` +
    `{ $S nohup sh "$W/run.sh" "$W" 3>&2 </dev/null >"$W/log" 2>&1 & echo $! >"$W/pid"; }`;
}

/** The text of a script for {@link startCommand}: POSIX shell. It may hold a password, and removes itself. */
export function scriptText(place: HostPlace, script: HostScript): string {
  const { dataDirectory, binDirectory, configFile, collectsLog } = place;
  const { token, supervised, source, work } = script;
  return [
    "W=$1",
    `D=${shellWord(dataDirectory)}; B=${shellWord(binDirectory)}; C=${shellWord(configFile)}; T=${token}`,
    `SRC=${shellWord(source?.conninfo ?? "")}; SUPERVISED=${supervised ? 1 : 0}; LIMIT=${STOP_SECONDS}`,
    "unset PGDATA PGPORT PGHOST PGUSER PGDATABASE PGOPTIONS PGSERVICE PGPASSFILE",
    source === undefined || source.password === "" ? "" : `export PGPASSWORD=${shellWord(source.password)}`,
    "export LC_ALL=C",
    'rm -f "$0"; cd "$W" || exit 1',
    // Its log goes where it went before; a collector of its own makes that its own affair.
    collectsLog ? 'exec 3>>"$W/log"' : "",
    COMMON,
    work === "restart" ? RESTART : REWIND,
  ].filter((line) => line !== "").join("\n");
}

const COMMON = `say() { echo "$(date '+%Y-%m-%d %H:%M:%S') $*"; }
finish() { say "$*"; printf '%s %s\\n' "$T" "$*" >"$W/result.new"; mv -f "$W/result.new" "$W/result"; rm -f "$W/pid"; }
echo $$ >"$W/pid"; printf '%s running\\n' "$T" >"$W/result"
start() {
  [ $SUPERVISED = 1 ] && return 0
  "$B/pg_ctl" -D "$D" -s -w -t $LIMIT restart >&3 2>&3 3>&-
}`;

const RESTART = `if [ $SUPERVISED = 1 ]; then "$B/pg_ctl" -D "$D" -s -m fast -w -t $LIMIT stop
else "$B/pg_ctl" -D "$D" -s -m fast -w -t $LIMIT restart >&3 2>&3 3>&-; fi
R=$?
[ $R = 0 ] && finish done || finish "failed: pg_ctl ended with exit code $R"`;

/**
 * What lies in the data directory besides the data is saved and put back: configuration, keys, and postmaster.opts, by which the server is
 * started again; pg_rewind replaces or removes them all.
 *
 * While it works the script holds postmaster.pid, so whatever else starts the server fails meanwhile. It is taken in the moment in which
 * the server gives it up; one that a supervisor has started before that is stopped again.
 */
const REWIND = `quarantine() {
  printf "primary_conninfo = ''\\n" >>"$D/postgresql.auto.conf"; : >"$D/standby.signal"
  rm -f "$D/postmaster.pid"; start; finish "failed: $1"; exit 1
}
P=$(head -n 1 "$D/postmaster.pid"); I=0; say "stop $P"
kill -INT "$P"
until (set -C; echo $$ >"$D/postmaster.pid") 2>/dev/null; do
  I=$((I+1)); sleep 0.02
  N=$(head -n 1 "$D/postmaster.pid" 2>/dev/null)
  if [ -n "$N" ] && [ "$N" != "$P" ]; then P=$N; kill -INT "$P"; fi
  [ $I = $((LIMIT*25)) ] && kill -QUIT "$P"
  [ $I -gt $((LIMIT*50)) ] && { finish "failed: the server does not stop"; exit 1; }
done
say locked
rm -rf "$W/save"; mkdir "$W/save"
for F in "$D"/*; do
  [ -f "$F" ] || continue
  case \${F##*/} in PG_VERSION|postmaster.pid|backup_label*|tablespace_map*|standby.signal|recovery.signal|current_logfiles*|backup_manifest) ;;
  *) cp -p "$F" "$W/save/" || quarantine "cannot save $F" ;; esac
done
[ -d "$D/conf.d" ] && cp -pR "$D/conf.d" "$W/save/"
"$B/pg_controldata" -D "$D" | grep -q 'cluster state: *shut down$' || {
  say recover; rm -f "$D/postmaster.pid"
  "$B/postgres" --single -F -D "$D" -c config_file="$C" template1 </dev/null
  (set -C; echo $$ >"$D/postmaster.pid") 2>/dev/null || { finish "failed: something else has started the server"; exit 1; }
}
"$B/pg_rewind" -D "$D" --source-server="$SRC" --dry-run || quarantine "pg_rewind refuses: $(tail -n 1 "$W/log")"
"$B/pg_rewind" -D "$D" --source-server="$SRC"; R=$?
cp -pR "$W/save/." "$D/"
: >"$D/standby.signal"
rm -f "$D/postmaster.pid"
[ $R = 0 ] || { finish "failed: pg_rewind broke off, the data directory is of no use: $(tail -n 1 "$W/log")"; exit 1; }
start; R=$?
[ $R = 0 ] && finish done || finish "failed: pg_ctl ended with exit code $R"`;

/** What a result file says of the script with `token`; null where it is of another one. */
export function parseResult(
  text: string,
  token: string,
): { readonly state: "running" | "done" | "failed"; readonly reason: string } | null {
  const [, ofToken, state, reason] = /^(\w+) (running|done|failed)(?:: ([\s\S]*))?$/.exec(text.trim()) ?? [];
  if (ofToken === undefined || (token !== "" && ofToken !== token)) return null;
  return { state: state as "running" | "done" | "failed", reason: reason ?? "" };
}
