//! What single values must look like. Each check answers with the message and the remedy.

use std::net::IpAddr;

use mayfly_types::RuntimeKind;

/// Why a value is wrong, and what to do.
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

fn wrong(message: impl Into<String>) -> Wrong {
    Wrong { message: message.into(), help: None }
}

impl Wrong {
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The manifest's directory and everything that leads out of it are no place for code.
pub(crate) fn code_path(path: &str) -> Result<(), Wrong> {
    if path.is_empty() {
        return Err(wrong("`code` may not be empty")
            .help("name a file or a directory beside the manifest, or `.`"));
    }
    if let Some(c) = path.chars().find(|c| c.is_control() || *c == '\\') {
        return Err(wrong(format!("`code` may not contain {c:?}")).help("divide a path by `/`"));
    }
    let drive = matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    if path.starts_with('/') || drive {
        return Err(wrong(format!("`code` must be a relative path, not `{path}`"))
            .help("write it as seen from the manifest's directory"));
    }
    let mut depth = 0_usize;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                depth = depth.checked_sub(1).ok_or_else(|| {
                    wrong(format!("`{path}` leaves the manifest's directory"))
                        .help("move the code beside the manifest, or the manifest up")
                })?;
            }
            _ => depth += 1,
        }
    }
    Ok(())
}

/// The file part and the export of a handler. In Ruby an export may be of a class:
/// `app.Photos::Handler.process`.
pub(crate) fn handler(handler: &str) -> Result<(&str, &str), Wrong> {
    let form = |message: String| {
        wrong(message).help("write FILE.EXPORT, as in \"index.handler\" or \"src/index.fetch\"")
    };
    let Some((file, export)) = handler.rsplit_once('.') else {
        return Err(form(format!("`{handler}` does not name a file and an export")));
    };
    let file = file.strip_prefix("./").unwrap_or(file);
    let mut letters = export.chars();
    let begins = |c: char| c.is_alphabetic() || c == '_' || c == '$';
    if !letters.next().is_some_and(begins) || !letters.all(|c| begins(c) || c.is_numeric()) {
        return Err(form(format!("`{export}` is not the name of an export")));
    }
    let fits = |part: &str| {
        !matches!(part, "" | "." | "..") && !part.contains(|c: char| c.is_control() || c == '\\')
    };
    if !file.split('/').all(fits) {
        return Err(form(format!("`{file}` is not a file inside the function's code")));
    }
    Ok((file, export))
}

/// The file of a handler, without its extension where it is written without.
pub(crate) fn file_of_handler(runtime: RuntimeKind, text: &str) -> Option<String> {
    let (file, _) = handler(text).ok()?;
    let (directory, name) = match file.rsplit_once('/') {
        Some((directory, name)) => (Some(directory), name),
        None => (None, file),
    };
    let name = match (runtime, name.split_once('.')) {
        (RuntimeKind::Ruby, Some((name, class))) if class != "rb" => name,
        _ => name,
    };
    Some(directory.map_or(name.to_owned(), |directory| format!("{directory}/{name}")))
}

/// Names of environment variables and secrets.
pub(crate) fn variable_name(name: &str) -> Result<(), Wrong> {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let mut letters = name.chars();
    if letters.next().is_some_and(begins) && letters.all(|c| begins(c) || c.is_ascii_digit()) {
        return Ok(());
    }
    Err(wrong(format!("`{}` is not the name of a variable", name.escape_debug()))
        .help("use letters, digits and `_`, not beginning with a digit"))
}

/// Methods are tokens (RFC 9110, 5.6.2), in capitals.
pub(crate) fn method(method: &str) -> Result<(), Wrong> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if method.is_empty() || !method.chars().all(token) {
        return Err(wrong(format!("`{}` is not an HTTP method", method.escape_debug())));
    }
    let upper = method.to_ascii_uppercase();
    if upper != method {
        return Err(wrong(format!("`{method}` is not an HTTP method: methods are in capitals"))
            .help(format!("write \"{upper}\"")));
    }
    Ok(())
}

/// `*`, `host`, `*.host` or an address, the latter three with or without a port.
pub(crate) fn egress(entry: &str) -> Result<(), Wrong> {
    if entry == "*" {
        return Ok(());
    }
    if let Some((_, rest)) = entry.split_once("://") {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        return Err(wrong(format!("`{}` is a URL", entry.escape_debug()))
            .help(format!("drop the scheme and the path: \"{}\"", host.escape_debug())));
    }
    let form = || {
        wrong(format!("`{}` does not say who may be called", entry.escape_debug()))
            .help("write \"host\", \"host:port\", \"*.host\", an IP address, or \"*\" for any public address")
    };
    if entry.contains('/') {
        return Err(form().help("rules are for hosts and ports: drop the path"));
    }
    if entry.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    if let Some(rest) = entry.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or_else(form)?;
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port),
            None if port.is_empty() => None,
            None => return Err(form()),
        };
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(form());
        }
        return port.map_or(Ok(()), egress_port);
    }
    let (host, port) = match entry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (entry, None),
    };
    if let Some(port) = port {
        egress_port(port)?;
    }
    if host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    if !host.is_ascii() {
        return Err(form().help("write an international name in its ASCII form (`xn--...`)"));
    }
    if host == "*" || host_name(host.strip_prefix("*.").unwrap_or(host)) {
        Ok(())
    } else {
        Err(form())
    }
}

fn egress_port(port: &str) -> Result<(), Wrong> {
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if digits => Ok(()),
        _ => Err(wrong(format!("`{}` is not a port", port.escape_debug()))
            .help("a port is a number from 1 to 65535")),
    }
}

fn host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits alone is a misspelt address, never a name.
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253
        && host.split('.').all(label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stays_beside_the_manifest() {
        for good in [".", "a.js", "./a", "functions/thumb", "a/../b", "a/b/../../c", "a b.js"] {
            assert!(code_path(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "..", "../a", "a/../../b", "a\\b", "C:/x", "a\nb", "a\0"] {
            assert!(code_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_handler_names_a_file_and_an_export() {
        for (good, parts) in [
            ("index.handler", ("index", "handler")),
            ("./src/index.fetch", ("src/index", "fetch")),
            ("index.js.handler", ("index.js", "handler")),
            ("a-b/c.d.$x_1", ("a-b/c.d", "$x_1")),
        ] {
            assert!(handler(good).is_ok_and(|found| found == parts), "{good}");
        }
        for bad in ["", "handler", ".handler", "index.", "../a.b", "/a.b", "a//b.c", "a.1", "a.b-c"]
        {
            assert!(handler(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn egress_takes_hosts_and_addresses_with_or_without_a_port() {
        for good in [
            "*",
            "*:443",
            "api.example.com",
            "api.example.com:443",
            "*.example.com",
            "*.example.com:8443",
            "localhost",
            "_dmarc.example.com",
            "93.184.216.34",
            "93.184.216.34:80",
            "::1",
            "[2001:db8::1]",
            "[2001:db8::1]:443",
        ] {
            assert!(egress(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "https://example.com",
            "example.com/path",
            "10.0.0.0/8",
            "a.*.com",
            "*example.com",
            "-a.com",
            "a..com",
            "a.com.",
            "a.com:",
            "a.com:0",
            "a.com:+1",
            "a.com:65536",
            "a.com:http",
            "1.2.3",
            "1.2.3.4.5",
            "[1.2.3.4]",
            "[::1",
            "[::1]443",
            "münchen.de",
            "a b.com",
            "*.",
        ] {
            assert!(egress(bad).is_err(), "{bad}");
        }
        let error = egress("https://api.example.com/v1").unwrap_err();
        assert_eq!(error.help.unwrap(), "drop the scheme and the path: \"api.example.com\"");
    }

    #[test]
    fn variables_and_methods_have_their_alphabets() {
        for good in ["A", "_x", "API_KEY_2"] {
            assert!(variable_name(good).is_ok(), "{good}");
        }
        for bad in ["", "2A", "A-B", "A B", "É", "A="] {
            assert!(variable_name(bad).is_err(), "{bad}");
        }
        for good in ["GET", "PURGE", "M-SEARCH"] {
            assert!(method(good).is_ok(), "{good}");
        }
        for bad in ["", "get", "GET POST", "GÉT"] {
            assert!(method(bad).is_err(), "{bad}");
        }
        assert_eq!(method("patch").err().unwrap().help.unwrap(), "write \"PATCH\"");
    }
}
