//! How a database is opened: the schema is made once, brought forward, or refused.

use futures_util::future::join_all;
use mayfly_state_api::ControlStore;
use mayfly_state_cluster::{Database, OpenError, Options, Store, Work};

use crate::server::{PASSWORD, Server};

async fn connect(server: &Server, schema: &str) -> Result<Database, OpenError> {
    server.connect(schema, Options::default().clock).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_start_at_once_make_one_schema_and_one_tenant() {
    let server = Server::shared();
    let start = || async {
        let database = connect(&server, "start_at_once").await.unwrap();
        let _queue = Work::open(&database);
        Store::open(&database).await.unwrap().tenants().await.unwrap()
    };
    let tenants = join_all((0..6).map(|_| start())).await;
    assert_eq!(tenants[0].len(), 1);
    assert!(tenants.iter().all(|of_one| *of_one == tenants[0]), "{tenants:?}");
}

#[tokio::test]
async fn a_newer_format_is_refused_with_both_numbers_and_left_alone() {
    let server = Server::shared();
    connect(&server, "newer").await.unwrap();
    let client = server.client("newer").await;
    client.execute("INSERT INTO migrations VALUES (1000)", &[]).await.unwrap();
    let error = connect(&server, "newer").await.err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 1000, known: 5, .. }), "{error}");
    assert!(error.to_string().contains("format 1000") && error.to_string().contains("up to 5"));
    client.execute("DELETE FROM migrations WHERE number = 1000", &[]).await.unwrap();
    connect(&server, "newer").await.unwrap();
}

#[tokio::test]
async fn an_older_format_is_brought_forward_or_stays_as_it_was() {
    let server = Server::shared();
    let store = Store::open(&connect(&server, "older").await.unwrap()).await.unwrap();
    let tenants = store.tenants().await.unwrap();
    drop(store);
    let client = server.client("older").await;
    // A step that fails: one of its tables is there already.
    let back =
        "DROP TABLE usage, payers, journals, attempts, invocations, functions, replies, kept;
        DROP FUNCTION keys_come, keys_go, keys_change, replies_come, replies_go CASCADE;
        DELETE FROM migrations WHERE number >= 2";
    client.batch_execute(back).await.unwrap();
    let error = connect(&server, "older").await.err().unwrap().to_string();
    assert!(error.starts_with("migrate the database: ") && error.contains("keys"), "{error}");
    let there = "SELECT max(number), to_regclass('functions') IS NULL FROM migrations";
    let row = client.query_one(there, &[]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, bool>(1)), (1, true));

    client.batch_execute("DROP TABLE keys").await.unwrap();
    let store = Store::open(&connect(&server, "older").await.unwrap()).await.unwrap();
    assert_eq!(store.tenants().await.unwrap(), tenants);
    let row = client.query_one(there, &[]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, bool>(1)), (5, false));
}

#[tokio::test]
async fn a_schema_with_somebody_elses_tables_is_left_alone() {
    let server = Server::shared();
    let client = server.client("public").await;
    client.batch_execute("CREATE SCHEMA theirs; CREATE TABLE theirs.fish ()").await.unwrap();
    let error = connect(&server, "theirs").await.err().unwrap();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = 'theirs'";
    assert_eq!(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_database_that_may_lose_what_it_acknowledged_is_refused() {
    let server = Server::shared();
    let url = format!("{}?options=-c%20synchronous_commit%3Doff", server.url());
    let error = Database::connect(&url, Options::default()).await.err().unwrap();
    assert!(matches!(error, OpenError::Unfit { setting: "synchronous_commit", .. }), "{error}");
    let client = server.client("public").await;
    let make = "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0";
    client.batch_execute(make).await.unwrap();
    let url = server.url().replace("/postgres", "/latin");
    let error = Database::connect(&url, Options::default()).await.err().unwrap();
    assert!(matches!(error, OpenError::Unfit { setting: "server_encoding", .. }), "{error}");
}

#[tokio::test]
async fn a_role_that_may_make_no_schema_uses_one_that_was_made_for_it() {
    let server = Server::shared();
    let client = server.client("public").await;
    let make = format!(
        "CREATE ROLE node LOGIN PASSWORD '{PASSWORD}'; CREATE SCHEMA given AUTHORIZATION node"
    );
    client.batch_execute(&make).await.unwrap();
    let url = server.url().replace("//mayfly:", "//node:");
    let open = |schema: &str| {
        let options = Options { schema: schema.into(), ..Options::default() };
        Database::connect(&url, options)
    };
    open("given").await.unwrap();
    let error = open("other").await.err().unwrap().to_string();
    assert!(error.contains("permission denied"), "{error}");
}

#[tokio::test]
async fn no_error_tells_the_password() {
    const SECRET: &str = "hunter2/with@odd:characters";
    let server = Server::shared();
    let quoted = "hunter2%2Fwith%40odd%3Acharacters";
    let urls = [
        server.url_with(SECRET),
        format!("postgres://mayfly:{SECRET}@nowhere/x"),
        format!("postgres://mayfly:{quoted}@/nowhere/x"),
        format!("postgres://mayfly:{quoted}@127.0.0.1:1/x"),
        format!("postgres://mayfly:{quoted}@%2Fnonexistent/x"),
        format!("postgres://mayfly:{quoted}@nowhere/x?sslmode={quoted}"),
        format!("host=/nonexistent user=mayfly password='{SECRET}' port={SECRET}"),
        format!("host=/nonexistent user=mayfly {SECRET}"),
    ];
    for url in urls {
        let error = Database::connect(&url, Options::default()).await.err().unwrap();
        let told = format!("{error} {error:?}");
        assert!(!told.contains("hunter2") && !told.contains("odd"), "{told}");
    }
}
