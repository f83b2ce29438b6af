//! Brings a database to the newest schema: forward only, after a copy, all or nothing.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::{OpenError, files};

/// The steps of `control.db`. A step that was released never changes; its place is its number.
pub(crate) const CONTROL: &[&str] =
    &[include_str!("migrations/0001-control.sql"), include_str!("migrations/0002-tenants.sql")];

/// The steps of `work.db`, in the same way.
pub(crate) const WORK: &[&str] = &[
    include_str!("migrations/0001-work.sql"),
    include_str!("migrations/0002-usage.sql"),
    include_str!("migrations/0003-replies.sql"),
    include_str!("migrations/0004-estimates.sql"),
    include_str!("migrations/0005-room.sql"),
];

/// Applies the steps that `database` (the file at `path`) lacks, in one transaction. Before that
/// it copies a database that holds anything to `NAME.before-N`, where N is the number it gets.
pub(crate) fn apply(
    database: &mut Connection,
    path: &Path,
    steps: &[&str],
) -> Result<(), OpenError> {
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let found = database.pragma_query_value(None, "user_version", |row| row.get(0));
    let found: u32 = found.map_err(refused("read", path))?;
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    let holds = "SELECT EXISTS (SELECT 1 FROM sqlite_schema)";
    if database.query_row(holds, [], |row| row.get(0)).map_err(refused("read", path))? {
        copy(database, path, known)?;
    }
    let mut migrate = || {
        let step = database.transaction()?;
        for sql in &steps[found as usize..] {
            step.execute_batch(sql)?;
        }
        step.pragma_update(None, "user_version", known)?;
        step.commit()
    };
    migrate().map_err(refused("migrate", path))
}

/// A copy that an earlier start left unfinished, or made before a migration that then failed, is
/// replaced: the database is still what it was then.
fn copy(database: &Connection, path: &Path, number: u32) -> Result<(), OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".before-{number}"));
    let finished = PathBuf::from(&name);
    name.push(".new");
    let unfinished = PathBuf::from(name);
    if unfinished.exists() {
        fs::remove_file(&unfinished).map_err(OpenError::io("remove", &unfinished))?;
    }
    let text = unfinished.to_string_lossy();
    database.execute("VACUUM INTO ?1", [&text]).map_err(refused("copy", path))?;
    let keep = || {
        fs::File::open(&unfinished)?.sync_all()?;
        fs::rename(&unfinished, &finished)?;
        finished.parent().map_or(Ok(()), files::sync_dir)
    };
    keep().map_err(OpenError::io("write", &finished))
}

/// Sorts what SQLite says about `doing` something with the database at `path`.
pub(crate) fn refused(
    doing: &'static str,
    path: &Path,
) -> impl FnOnce(rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode as Code;
    let path = path.to_owned();
    move |error| {
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(Code::DiskFull) => OpenError::Full { path },
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => OpenError::Damaged { path, reason },
            Some(Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied) => {
                OpenError::Unwritable { path, source: std::io::Error::other(reason) }
            }
            _ => OpenError::Database { doing, path, reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE fish (name TEXT) STRICT; INSERT INTO fish VALUES ('carp');";
    const SECOND: &str = "ALTER TABLE fish ADD COLUMN fins INTEGER DEFAULT 5;";

    fn number(database: &Connection) -> u32 {
        database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_empty_database_gets_every_step_and_no_copy() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("fish.db");
        let mut database = Connection::open(&path).unwrap();
        apply(&mut database, &path, &[FIRST, SECOND]).unwrap();
        assert_eq!(number(&database), 2);
        assert!(!temp.path().join("fish.db.before-2").exists());
    }

    #[test]
    fn an_older_database_is_copied_and_then_gets_the_steps_it_lacks() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("fish.db");
        let mut database = Connection::open(&path).unwrap();
        apply(&mut database, &path, &[FIRST]).unwrap();
        fs::write(temp.path().join("fish.db.before-2.new"), "cut short").unwrap();
        apply(&mut database, &path, &[FIRST, SECOND]).unwrap();
        let fins = "SELECT fins FROM fish WHERE name = 'carp'";
        assert_eq!(database.query_row(fins, [], |row| row.get(0)), Ok(5));

        let copy = Connection::open(temp.path().join("fish.db.before-2")).unwrap();
        assert_eq!(number(&copy), 1);
        assert!(copy.prepare(fins).is_err());
        assert!(copy.prepare("SELECT name FROM fish").is_ok());
    }

    #[test]
    fn a_step_that_fails_leaves_the_database_as_it_was() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("fish.db");
        let mut database = Connection::open(&path).unwrap();
        apply(&mut database, &path, &[FIRST]).unwrap();
        let error = apply(&mut database, &path, &[FIRST, SECOND, "NONSENSE"]).unwrap_err();
        assert!(error.to_string().starts_with("migrate "), "{error}");
        assert_eq!(number(&database), 1);
        assert!(database.prepare("SELECT fins FROM fish").is_err());
        apply(&mut database, &path, &[FIRST, SECOND]).unwrap();
    }

    #[test]
    fn a_newer_database_is_refused_with_both_numbers() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("fish.db");
        let mut database = Connection::open(&path).unwrap();
        apply(&mut database, &path, &[FIRST, SECOND]).unwrap();
        let error = apply(&mut database, &path, &[FIRST]).unwrap_err().to_string();
        assert!(error.contains("format 2") && error.contains("up to 1"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_database_is_damage() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("fish.db");
        fs::write(&path, [7; 4096]).unwrap();
        let mut database = Connection::open(&path).unwrap();
        let error = apply(&mut database, &path, &[FIRST]).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    }
}
