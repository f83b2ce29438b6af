//! Where the node is, and with which token: flag, then environment, then the `mayfly dev` that
//! runs here, then a saved profile, then this machine.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{ProfileError, Profiles, Token};

/// Where a node listens when nothing says otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:8081";

/// The data directory of `mayfly serve` when nothing says otherwise.
pub(crate) const DEFAULT_DATA: &str = ".mayfly-node";

/// What the command line says about the node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// `--url`.
    pub(crate) url: Option<String>,
    /// `--token`.
    pub(crate) token: Option<String>,
    /// `--profile`.
    pub(crate) profile: Option<String>,
}

/// What the environment says about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// `MAYFLY_URL`.
    pub(crate) url: Option<String>,
    /// `MAYFLY_TOKEN`.
    pub(crate) token: Option<String>,
    /// `MAYFLY_PROFILE`.
    pub(crate) profile: Option<String>,
    /// Where to look for a running `mayfly dev`, then in the directories above.
    pub(crate) start: PathBuf,
    /// The file of saved profiles.
    pub(crate) profiles: Option<PathBuf>,
    /// The data directory of a node on this machine.
    pub(crate) data: PathBuf,
}

impl Surroundings {
    /// The process's own, with the search starting at `start`.
    pub(crate) fn of_process(start: &Path) -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            url: var("MAYFLY_URL"),
            token: var("MAYFLY_TOKEN"),
            profile: var("MAYFLY_PROFILE"),
            start: start.to_owned(),
            profiles: Self::profiles_file(),
            data: var("MAYFLY_DATA").map_or_else(|| DEFAULT_DATA.into(), PathBuf::from),
        }
    }

    /// The file of saved profiles; `None` for a user without a home.
    pub(crate) fn profiles_file() -> Option<PathBuf> {
        let directory = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let config = directory("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        let config = config.or_else(|| Some(directory("HOME")?.join(".config")));
        Some(config?.join("mayfly/profiles.toml"))
    }
}

/// What told where the node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FoundBy {
    /// `--url`.
    Flag,
    /// `MAYFLY_URL`.
    Environment,
    /// A `mayfly dev` that runs in this directory.
    Dev(PathBuf),
    /// A saved profile.
    Profile(String),
    /// Nothing: the default address.
    Default,
}

/// A node to talk to.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Its admin address, without a slash at the end.
    pub(crate) url: String,
    /// The credential, where one was found.
    pub(crate) token: Option<Token>,
    /// What told the address.
    pub(crate) by: FoundBy,
}

/// Why no node can be named.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    /// The address is none.
    #[error("`{url}` is not the address of a node: write `http://HOST:PORT` or `https://HOST`")]
    Url {
        /// The address as it was given.
        url: String,
    },
    /// No profile has that name.
    #[error("there is no profile `{name}`{}; `mayfly login URL --profile {name}` saves one", Known(.known))]
    NoProfile {
        /// The name.
        name: String,
        /// The names that are there.
        known: Vec<String>,
    },
    /// The profiles cannot be read.
    #[error(transparent)]
    Profiles(#[from] ProfileError),
}

struct Known<'a>(&'a [String]);

impl std::fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " (there is {})", self.0.join(", ")) }
    }
}

/// Finds the node. `answers` tells whether something listens at an address: what a `mayfly dev`
/// that was killed left behind is passed over.
pub(crate) fn find(
    wanted: &Wanted,
    around: &Surroundings,
    answers: &dyn Fn(SocketAddr) -> bool,
) -> Result<Node, FindError> {
    let profiles = || match &around.profiles {
        Some(path) => Profiles::load(path),
        None => Ok(Profiles::default()),
    };
    let token = wanted.token.as_ref().or(around.token.as_ref());
    let token = token.and_then(|token| Token::new(token));

    let told = match (&wanted.url, &wanted.profile, &around.url, &around.profile) {
        (Some(url), ..) => Some((url, FoundBy::Flag)),
        (None, None, Some(url), _) => Some((url, FoundBy::Environment)),
        _ => None,
    };
    if let Some((url, by)) = told {
        let url = clean(url)?;
        let token = match token {
            Some(token) => Some(token),
            None => known_token(&url, &profiles()?, around),
        };
        return Ok(Node { url, token, by });
    }

    if let Some(name) = wanted.profile.as_ref().or(around.profile.as_ref()) {
        let profiles = profiles()?;
        let Some(profile) = profiles.get(name) else {
            let known = profiles.names().map(str::to_owned).collect();
            return Err(FindError::NoProfile { name: name.clone(), known });
        };
        let token = token.or_else(|| Some(profile.token.clone()));
        return Ok(Node { url: clean(&profile.url)?, token, by: FoundBy::Profile(name.clone()) });
    }

    if let Some(dev) = running_dev(&around.start)
        && answers(dev.address)
    {
        let token = token.or(dev.token);
        return Ok(Node {
            url: format!("http://{}", dev.address),
            token,
            by: FoundBy::Dev(dev.directory),
        });
    }

    if let Some(profile) = profiles()?.get(Profiles::DEFAULT) {
        let token = token.or_else(|| Some(profile.token.clone()));
        let by = FoundBy::Profile(Profiles::DEFAULT.to_owned());
        return Ok(Node { url: clean(&profile.url)?, token, by });
    }
    let token = token.or_else(|| token_file(&around.data.join("admin-token")));
    Ok(Node { url: DEFAULT_URL.to_owned(), token, by: FoundBy::Default })
}

/// The address without what a person may add to it.
fn clean(url: &str) -> Result<String, FindError> {
    let wrong = || FindError::Url { url: url.to_owned() };
    let parsed = url::Url::parse(url.trim()).map_err(|_| wrong())?;
    let plain = matches!(parsed.scheme(), "http" | "https")
        && parsed.has_host()
        && parsed.username().is_empty()
        && parsed.password().is_none()
        && parsed.query().is_none()
        && parsed.fragment().is_none();
    if !plain {
        return Err(wrong());
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}

/// The token that this machine has for an address that came without one.
fn known_token(url: &str, profiles: &Profiles, around: &Surroundings) -> Option<Token> {
    if let Some(token) = profiles.token_for(url) {
        return Some(token.clone());
    }
    if let Some(dev) = running_dev(&around.start)
        && url == format!("http://{}", dev.address)
    {
        return dev.token;
    }
    let local = url::Url::parse(url).is_ok_and(|url| is_loopback(&url));
    if local { token_file(&around.data.join("admin-token")) } else { None }
}

/// Whether the address is this machine's own.
pub(crate) fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

struct Dev {
    directory: PathBuf,
    address: SocketAddr,
    token: Option<Token>,
}

/// What `mayfly dev` left in `.mayfly/`, here or in the nearest directory above.
fn running_dev(start: &Path) -> Option<Dev> {
    let start = fs::canonicalize(start).ok()?;
    start.ancestors().find_map(|directory| {
        let data = directory.join(".mayfly");
        let text = fs::read_to_string(data.join("admin")).ok()?;
        let text = text.trim();
        let address: SocketAddr = text.strip_prefix("http://").unwrap_or(text).parse().ok()?;
        // `dev` listens nowhere else; a directory from a stranger may say anything.
        address.ip().is_loopback().then(|| Dev {
            directory: directory.to_owned(),
            address,
            token: token_file(&data.join("token")),
        })
    })
}

fn token_file(path: &Path) -> Option<Token> {
    Token::new(&fs::read_to_string(path).ok()?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Scene {
        directory: tempfile::TempDir,
        around: Surroundings,
    }

    fn scene() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        fs::create_dir_all(path.join("app/src")).unwrap();
        let around = Surroundings {
            start: path.join("app/src"),
            profiles: Some(path.join("profiles.toml")),
            data: path.join("node"),
            ..Surroundings::default()
        };
        Scene { directory, around }
    }

    impl Scene {
        fn write(&self, name: &str, text: &str) {
            let path = self.directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }

        fn dev(&self, address: &str) {
            self.write("app/.mayfly/admin", address);
            self.write("app/.mayfly/token", "dev-token\n");
        }

        fn profile(&self) {
            let text = "[profiles.default]\nurl = \"http://10.0.0.5:8081\"\ntoken = \"saved\"\n";
            self.write("profiles.toml", text);
        }

        fn find(&self, wanted: &Wanted) -> (String, Option<String>, FoundBy) {
            let node = find(wanted, &self.around, &|_| true).unwrap();
            (node.url, node.token.map(|token| token.reveal().to_owned()), node.by)
        }
    }

    #[test]
    fn the_flag_comes_before_the_environment_and_that_before_all_else() {
        let mut scene = scene();
        scene.dev("127.0.0.1:4444");
        scene.profile();
        scene.around.url = Some("http://env:1/".into());
        scene.around.token = Some("env-token".into());
        let wanted = Wanted { url: Some("https://flag.example/".into()), ..Wanted::default() };
        let (url, token, by) = scene.find(&wanted);
        assert_eq!((url.as_str(), by), ("https://flag.example", FoundBy::Flag));
        assert_eq!(token.as_deref(), Some("env-token"));
        assert_eq!(scene.find(&Wanted::default()).2, FoundBy::Environment);
        let wanted = Wanted { profile: Some("default".into()), ..Wanted::default() };
        assert_eq!(scene.find(&wanted).2, FoundBy::Profile("default".into()));
    }

    #[test]
    fn a_running_dev_above_is_found_with_its_token() {
        let scene = scene();
        scene.dev("127.0.0.1:4444");
        scene.profile();
        let (url, token, by) = scene.find(&Wanted::default());
        assert_eq!(url, "http://127.0.0.1:4444");
        assert_eq!(token.as_deref(), Some("dev-token"));
        assert!(matches!(by, FoundBy::Dev(path) if path.ends_with("app")));
    }

    #[test]
    fn a_dev_that_no_longer_runs_is_passed_over() {
        let scene = scene();
        scene.dev("127.0.0.1:4444");
        let node = find(&Wanted::default(), &scene.around, &|_| false).unwrap();
        assert_eq!(node.by, FoundBy::Default);
    }

    #[test]
    fn a_directory_from_a_stranger_cannot_name_a_node_elsewhere() {
        let scene = scene();
        scene.dev("203.0.113.9:80");
        assert_eq!(scene.find(&Wanted::default()).2, FoundBy::Default);
    }

    #[test]
    fn the_default_profile_comes_before_the_default_address() {
        let scene = scene();
        scene.write("node/admin-token", "local\n");
        let (url, token, by) = scene.find(&Wanted::default());
        assert_eq!((url.as_str(), by), (DEFAULT_URL, FoundBy::Default));
        assert_eq!(token.as_deref(), Some("local"));
        scene.profile();
        let (url, token, _) = scene.find(&Wanted::default());
        assert_eq!((url.as_str(), token.as_deref()), ("http://10.0.0.5:8081", Some("saved")));
    }

    #[test]
    fn a_token_goes_only_to_the_address_it_belongs_to() {
        let mut scene = scene();
        scene.dev("127.0.0.1:4444");
        scene.profile();
        scene.write("node/admin-token", "local\n");
        for (url, token) in [
            ("http://10.0.0.5:8081/", Some("saved")),
            ("http://127.0.0.1:4444", Some("dev-token")),
            ("http://localhost:9999", Some("local")),
            ("https://elsewhere.example", None),
        ] {
            scene.around.url = Some(url.into());
            assert_eq!(scene.find(&Wanted::default()).1.as_deref(), token, "{url}");
        }
    }

    #[test]
    fn what_is_no_address_and_what_is_no_profile_is_explained() {
        let scene = scene();
        scene.profile();
        for url in ["localhost:8081", "ftp://x", "http://u:p@x", "http://x/?q", "nonsense"] {
            let wanted = Wanted { url: Some(url.into()), ..Wanted::default() };
            assert!(matches!(find(&wanted, &scene.around, &|_| true), Err(FindError::Url { .. })));
        }
        let wanted = Wanted { profile: Some("lab".into()), ..Wanted::default() };
        let error = find(&wanted, &scene.around, &|_| true).unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no profile `lab` (there is default); `mayfly login URL --profile lab` saves \
             one"
        );
    }
}
