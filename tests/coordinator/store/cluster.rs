//! A PostgreSQL of our own: a private cluster in a temporary folder, reached by a Unix socket, run by an unprivileged user, gone with the
//! test process however that ends.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection as _, PgConnection};

/// Each line on stdin starts the server once more. At the end of stdin, which comes with the end of whoever holds the other side, it is
/// stopped and the folder deleted. After a kill its last processes may still be there for a moment: again every 0.2 s, for 20 s in all.
const KEEPER: &str = r#"
trap '' INT TERM HUP
bin=$1 folder=$2 fsync=$3
shift 3
"$@" "$bin/initdb" --no-sync -A trust -E UTF8 --locale=C -U eic -D "$folder/data" >"$folder/initdb.log" 2>&1 || {
  cat "$folder/initdb.log"; rm -rf "$folder"; exit 1
}
start() {
  for try in $(seq 100); do
    "$@" "$bin/pg_ctl" -D "$folder/data" -l "$folder/server.log" -w \
      -o "-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=$fsync -c max_connections=200" start \
      >"$folder/start.log" 2>&1 && { echo ready; return; }
    sleep 0.2
  done
  cat "$folder/start.log" "$folder/server.log"
}
start "$@"
while read -r line; do start "$@"; done
"$@" "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1
rm -rf "$folder"
"#;

/// Databases of this process.
static DATABASES: AtomicU32 = AtomicU32::new(0);

pub struct Cluster {
    folder: PathBuf,
    keeper: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Cluster {
    /// One for the tests that need none of their own; it does not wait for the disk.
    pub fn of_all_tests() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| Self::start("off"))
    }

    /// One that waits for the disk at each commit.
    pub fn durable() -> Self {
        Self::start("on")
    }

    fn start(fsync: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("eic-postgres-").tempdir().unwrap().keep();
        // The server's user has to come through.
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
        let mut keeper = Command::new("bash");
        keeper.args(["-c", KEEPER, "bash"]).arg(programs()).arg(&folder).arg(fsync);
        // PostgreSQL does not run as root.
        if is_root() {
            keeper.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        let mut keeper =
            keeper.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash starts");
        let stdin = keeper.stdin.take();
        let stdout = BufReader::new(keeper.stdout.take().unwrap());
        let mut cluster = Self { folder, keeper, stdin, stdout };
        cluster.wait_until_ready();
        cluster
    }

    fn wait_until_ready(&mut self) {
        let mut said = String::new();
        while self.stdout.read_line(&mut said).unwrap() > 0 {
            if said.ends_with("ready\n") {
                return;
            }
        }
        panic!("PostgreSQL does not start: {said}");
    }

    pub async fn new_database(&self) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=eic", self.folder.display())
    }

    /// `kill -9` of the postmaster.
    pub fn kill(&self) {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    }

    pub fn start_again(&mut self) {
        use std::io::Write as _;
        writeln!(self.stdin.as_mut().unwrap(), "start").unwrap();
        self.wait_until_ready();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.stdin.take());
        self.keeper.wait().unwrap();
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    Path::new("/proc/self").metadata().unwrap().uid() == 0
}

/// Debian keeps each major version's programs in a folder of its own.
pub(super) fn programs() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|folders| folders.filter_map(|folder| Some(folder.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    versions.retain(|bin| bin.join("initdb").exists());
    versions.sort();
    versions.pop().expect("PostgreSQL is installed: `bash tests/setup` does it")
}
