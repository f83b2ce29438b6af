//! A PostgreSQL of the tests' own: in a directory that goes with it, on a socket in there, without TCP.

use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use mayfly_state_cluster::{Clock, Database, OpenError, Options};
use tempfile::TempDir;

/// The database's superuser and his password.
const USER: &str = "mayfly";
pub(crate) const PASSWORD: &str = "a password of the tests";
/// How a database is made.
const INITDB: [&str; 7] = [
    "--pgdata=data",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--no-sync",
    "--auth=scram-sha-256",
    "--pwfile=password",
    "--username=mayfly",
];
/// How long a start or an end may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Starts the program, waits until nobody holds the other end of its input any more, and then ends the server
/// at once. So it ends with the test, also when that is killed.
const KEEPER: &str = r#""$@" & server=$!; read -r _; kill -QUIT $server; wait $server"#;

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    keeper: Child,
    programs: PathBuf,
    user: Option<User>,
    // Last, so that the server has ended before its files go.
    dir: TempDir,
}

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Server {
    /// The server that the tests of this process share, for as long as one of them has it.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server of its own.
    pub(crate) fn start() -> Self {
        let programs = programs();
        let dir = directory();
        let user = rustix::process::geteuid().is_root().then(User::find);
        if let Some(user) = &user {
            chown(dir.path(), Some(user.id), Some(user.group)).unwrap();
        }
        copy(&template(&programs, user.as_ref()), &dir.path().join("data"));
        let keeper = start(&programs, user.as_ref(), dir.path());
        let server = Self { keeper, programs, user, dir };
        server.wait_until_it_answers();
        server
    }

    /// Ends it as a crash does, and starts it again on what is on disk.
    pub(crate) fn restart(&mut self) {
        self.end();
        self.keeper = start(&self.programs, self.user.as_ref(), self.dir.path());
        self.wait_until_it_answers();
    }

    /// The URL of its database.
    pub(crate) fn url(&self) -> String {
        self.url_with(PASSWORD)
    }

    /// The same with another password.
    pub(crate) fn url_with(&self, password: &str) -> String {
        let (socket, password) = (quoted(&self.dir.path().to_string_lossy()), quoted(password));
        format!("postgres://{USER}:{password}@{socket}/postgres")
    }

    /// Connects with a clock. The server knows the connections by the schema's name.
    pub(crate) async fn connect(&self, schema: &str, clock: Clock) -> Result<Database, OpenError> {
        let options = Options { schema: schema.into(), connections: 8, clock };
        let url = format!("{}?application_name={schema}", self.url());
        Database::connect(&url, options).await
    }

    /// Connects with the system's clock.
    pub(crate) async fn database(&self, schema: &str) -> Database {
        self.connect(schema, Options::default().clock).await.unwrap()
    }

    /// A connection past the crate, for what only a test does.
    pub(crate) async fn client(&self, schema: &str) -> tokio_postgres::Client {
        let connected = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await;
        let (client, connection) = connected.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = {schema}")).await.unwrap();
        client
    }

    fn wait_until_it_answers(&self) {
        let since = Instant::now();
        loop {
            let mut ready = Command::new(self.programs.join("pg_isready"));
            let ready = ready.arg("--quiet").arg("--host").arg(self.dir.path()).status().unwrap();
            if ready.success() {
                return;
            }
            let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(since.elapsed() < PATIENCE, "PostgreSQL does not answer: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn end(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where Debian keeps the newest version's programs, or where `PATH` leads.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let version = entry.file_name().to_string_lossy().parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, programs)| programs.join("initdb").exists())
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || std::env::split_paths(&path).find(|dir| dir.join("initdb").exists());
    let newest = found.pop().map(|(_, programs)| programs).or_else(on_path);
    newest.expect("these tests need PostgreSQL: `sudo apt-get install postgresql`")
}

/// The name of a socket has little room, so not in a deep directory.
fn directory() -> TempDir {
    let dir = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    dir
}

/// A database's files, as they are before the first start. They are made once and kept with what cargo builds,
/// because that takes longer than most tests; whoever makes them at the same time as another throws his away.
fn template(programs: &Path, user: Option<&User>) -> PathBuf {
    let id = user.map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.id);
    let mut of = DefaultHasher::new();
    (programs, id, INITDB, PASSWORD).hash(&mut of);
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("postgresql-{:x}", of.finish()));
    if !kept.exists() {
        let dir = directory();
        let password = dir.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        for path in [dir.path(), &password] {
            chown(path, user.map(|user| user.id), user.map(|user| user.group)).unwrap();
        }
        let made = as_user(&programs.join("initdb"), user, dir.path()).args(INITDB).output();
        let made = made.unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let unfinished = kept.with_extension(std::process::id().to_string());
        copy(&dir.path().join("data"), &unfinished);
        if fs::rename(&unfinished, &kept).is_err() {
            assert!(kept.exists(), "keep {}", kept.display());
            fs::remove_dir_all(&unfinished).unwrap();
        }
    }
    kept
}

/// Copies files with their owners.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success(), "copy {}: {copied}", from.display());
}

fn start(programs: &Path, user: Option<&User>, dir: &Path) -> Child {
    let mut keeper = as_user(Path::new("/bin/sh"), user, dir);
    let log = fs::OpenOptions::new().append(true).create(true).open(dir.join("log")).unwrap();
    keeper.args(["-c", KEEPER, "keeper"]).arg(programs.join("postgres"));
    keeper.arg("-D").arg(dir.join("data")).arg("-k").arg(dir);
    keeper.args(["-c", "listen_addresses=", "-c", "max_connections=300"]);
    keeper.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
    keeper.spawn().unwrap()
}

/// PostgreSQL does not run as root.
struct User {
    id: u32,
    group: u32,
}

impl User {
    fn find() -> Self {
        let known = fs::read_to_string("/etc/passwd").unwrap();
        let find = |name: &str| {
            let fields = known.lines().map(|line| line.split(':').collect::<Vec<_>>());
            let fields = fields.filter(|fields| fields.len() > 3 && fields[0] == name);
            fields
                .map(|it| Self { id: it[2].parse().unwrap(), group: it[3].parse().unwrap() })
                .next()
        };
        find("postgres").or_else(|| find("nobody")).expect("a user who is not root")
    }
}

fn as_user(program: &Path, user: Option<&User>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(Stdio::null());
    // What the environment says is of another server.
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG"))
    {
        command.env_remove(name);
    }
    if let Some(user) = user {
        command.uid(user.id).gid(user.group);
    }
    command
}

/// A part of a URL.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
