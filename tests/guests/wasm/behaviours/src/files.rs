//! The private `/tmp`.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::Call;

/// Does what programs do with files, and tells the first thing that is not as it should be.
pub fn exercise() -> String {
    match try_all() {
        Ok(()) => "all as it should be".to_owned(),
        Err(error) => format!("not so: {error}"),
    }
}

fn try_all() -> Result<(), String> {
    let told = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
    let same = |what: &str, is: &str, should: &str| match is == should {
        true => Ok(()),
        false => Err(format!("{what} is {is:?}, not {should:?}")),
    };
    fs::write("/tmp/one", "first").map_err(told("write"))?;
    same("content", &fs::read_to_string("/tmp/one").map_err(told("read"))?, "first")?;
    let mut file = OpenOptions::new().append(true).open("/tmp/one").map_err(told("append"))?;
    file.write_all(b" second").map_err(told("append"))?;
    drop(file);
    let mut file =
        OpenOptions::new().read(true).write(true).open("/tmp/one").map_err(told("open"))?;
    file.seek(SeekFrom::Start(6)).map_err(told("seek"))?;
    file.write_all(b"SECOND").map_err(told("write in the middle"))?;
    file.rewind().map_err(told("rewind"))?;
    let mut content = String::new();
    file.read_to_string(&mut content).map_err(told("read from the start"))?;
    same("content", &content, "first SECOND")?;
    file.set_len(5).map_err(told("cut"))?;
    drop(file);
    same("content", &fs::read_to_string("/tmp/one").map_err(told("read"))?, "first")?;
    fs::create_dir_all("/tmp/a/b").map_err(told("make directories"))?;
    fs::rename("/tmp/one", "/tmp/a/b/two").map_err(told("rename"))?;
    same("a moved file", &fs::read_to_string("/tmp/a/b/two").map_err(told("read"))?, "first")?;
    let listed = fs::read_dir("/tmp/a/b").map_err(told("list"))?;
    let mut names = Vec::new();
    for entry in listed {
        names.push(entry.map_err(told("list"))?.file_name().to_string_lossy().into_owned());
    }
    same("a listing", &names.join(" "), "two")?;
    let refused = fs::remove_dir("/tmp/a");
    same("removing what is not empty", &format!("{}", refused.is_err()), "true")?;
    let size = fs::metadata("/tmp/a/b/two").map_err(told("look at"))?.len();
    same("a size", &size.to_string(), "5")?;
    fs::remove_dir_all("/tmp/a").map_err(told("remove all"))?;
    same("what was removed", &Path::new("/tmp/a").exists().to_string(), "false")
}

/// Whether nobody has been here; then leaves something.
pub fn fresh() -> String {
    let found = match fs::read_dir("/tmp") {
        Ok(entries) => entries.count(),
        Err(error) => return format!("no /tmp: {error}"),
    };
    match fs::write("/tmp/left", "behind") {
        Ok(()) => format!("found {found}"),
        Err(error) => format!("cannot leave anything: {error}"),
    }
}

/// Writes so many megabytes into a file, and after that removes it and writes them again.
pub fn fill(call: Call) {
    let megabytes = call.number("mb");
    let piece = vec![7_u8; 1 << 20];
    let write = || {
        let mut file = File::create("/tmp/large").map_err(|error| (0, error))?;
        for done in 0..megabytes {
            file.write_all(&piece).map_err(|error| (done, error))?;
        }
        Ok(())
    };
    let told = |result: Result<(), (u64, std::io::Error)>| match result {
        Ok(()) => "all".to_owned(),
        Err((done, error)) => format!("{done} MB, then {:?}", error.kind()),
    };
    let first = told(write());
    let _ = fs::remove_file("/tmp/large");
    let second = told(write());
    call.say(format!("{first}; {second}"));
}

/// Makes directories inside of directories.
pub fn deep(call: Call) {
    use wasip2::filesystem::preopens::get_directories;
    use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
    let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
    let Some((mut at, _)) = get_directories().into_iter().next() else {
        return call.say("no directory");
    };
    let mut depth = 0;
    while depth < call.number("count") {
        if at.create_directory_at("d").is_err() {
            break;
        }
        match at.open_at(PathFlags::empty(), "d", OpenFlags::DIRECTORY, flags) {
            Ok(below) => at = below,
            Err(_) => break,
        }
        depth += 1;
    }
    call.say(format!("{depth} deep"));
}

/// Tries to leave `/tmp`.
pub fn outside(call: Call) {
    let paths = ["/etc/passwd", "/tmp/../etc/passwd", "/proc/self/environ", "../etc/passwd", "/"];
    let mut said = Vec::new();
    for path in paths {
        let read = fs::read(path).map(|bytes| bytes.len());
        said.push(match read {
            Ok(length) => format!("{path}: {length} bytes"),
            Err(error) => format!("{path}: {:?}", error.kind()),
        });
    }
    let wrote = fs::write("/etc/mayfly-was-here", "x").is_ok();
    said.push(format!("wrote {wrote}"));
    let linked = fs::hard_link("/tmp", "/tmp/link").is_ok();
    said.push(format!("linked {linked}"));
    call.say(said.join(", "));
}
