use super::*;

fn table(routes: &[(&str, &[&str], &str)]) -> Result<RouteTable, RouteConflict> {
    let routes: Vec<Route> = routes
        .iter()
        .map(|(path, methods, function)| Route {
            path: (*path).to_owned(),
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            function: FunctionName::new(function).unwrap(),
        })
        .collect();
    RouteTable::new(&routes)
}

/// The function and the parameters, or what else was found.
fn find(table: &RouteTable, method: &str, path: &str) -> String {
    match table.find(method, path) {
        RouteMatch::Found { function, params, .. } => {
            let params: String = params.iter().map(|(k, v)| format!(" {k}={v}")).collect();
            format!("{function}{params}")
        }
        RouteMatch::MethodNotAllowed { allow } => format!("405 {}", allow.join(",")),
        RouteMatch::NotFound => "404".to_owned(),
    }
}

#[test]
fn static_beats_parameter_beats_tail() {
    let table = table(&[
        ("/{*rest}", &[], "tail"),
        ("/{id}", &[], "param"),
        ("/about", &[], "about"),
        ("/about/{*rest}", &[], "about-tail"),
        ("/{id}/edit", &[], "edit"),
        ("/", &[], "root"),
    ])
    .unwrap();
    for (path, found) in [
        ("/", "root"),
        ("/about", "about"),
        ("/other", "param id=other"),
        ("/other/", "tail rest=other/"),
        ("/other/edit", "edit id=other"),
        ("/other/view", "tail rest=other/view"),
        // The first segment that differs decides, though `edit` is static.
        ("/about/edit", "about-tail rest=edit"),
        ("/about/", "about-tail rest="),
        ("/a/b/c", "tail rest=a/b/c"),
        ("//", "tail rest=/"),
    ] {
        assert_eq!(find(&table, "GET", path), found, "{path}");
    }
}

#[test]
fn a_branch_that_leads_nowhere_is_left_again() {
    let table =
        table(&[("/a/{x}/c", &[], "one"), ("/{y}/b/d", &[], "two"), ("/a/b/e", &[], "e")]).unwrap();
    assert_eq!(find(&table, "GET", "/a/b/c"), "one x=b");
    assert_eq!(find(&table, "GET", "/a/b/d"), "two y=a");
    assert_eq!(find(&table, "GET", "/a/b/f"), "404");
}

#[test]
fn a_tail_takes_what_follows_its_slash_be_it_nothing() {
    let table = table(&[("/photos/{*rest}", &[], "f")]).unwrap();
    assert_eq!(find(&table, "GET", "/photos/"), "f rest=");
    assert_eq!(find(&table, "GET", "/photos/a//b/"), "f rest=a//b/");
    assert_eq!(find(&table, "GET", "/photos"), "404");
    assert_eq!(find(&table, "GET", "/photosx/"), "404");
}

#[test]
fn a_parameter_takes_one_segment_that_is_not_empty() {
    let table = table(&[("/photos/{id}", &[], "f"), ("/{a}/x/{b}/", &[], "g")]).unwrap();
    assert_eq!(find(&table, "GET", "/photos/1"), "f id=1");
    assert_eq!(find(&table, "GET", "/photos/"), "404");
    assert_eq!(find(&table, "GET", "/photos/1/"), "404");
    assert_eq!(find(&table, "GET", "/photos/1/2"), "404");
    assert_eq!(find(&table, "GET", "/1/x/2/"), "g a=1 b=2");
    assert_eq!(find(&table, "GET", "//x/2/"), "404");
}

#[test]
fn paths_are_compared_decoded_and_an_encoded_slash_divides_nothing() {
    let table = table(&[
        ("/caf%C3%A9", &[], "cafe"),
        ("/a b".replace(' ', "%20").as_str(), &[], "space"),
        ("/files/{name}", &[], "file"),
        ("/tail/{*rest}", &[], "tail"),
    ])
    .unwrap();
    assert_eq!(find(&table, "GET", "/caf%c3%a9"), "cafe");
    assert_eq!(find(&table, "GET", "/%63afé"), "cafe");
    assert_eq!(find(&table, "GET", "/a%20b"), "space");
    assert_eq!(find(&table, "GET", "/files/a%2Fb%20c"), "file name=a/b c");
    assert_eq!(find(&table, "GET", "/files%2Fa"), "404");
    assert_eq!(find(&table, "GET", "/files/%ff"), "file name=\u{fffd}");
    assert_eq!(find(&table, "GET", "/files/100%"), "file name=100%");
    assert_eq!(find(&table, "GET", "/tail/a%2fb/c"), "tail rest=a/b/c");
}

#[test]
fn a_method_of_its_own_wins_over_all_methods() {
    let table = table(&[
        ("/a", &[], "any"),
        ("/a", &["GET", "PUT"], "own"),
        ("/b", &["GET"], "get"),
        ("/b", &["POST"], "post"),
        ("/c", &["GET"], "get"),
        ("/c", &["HEAD"], "head"),
        ("/{x}", &["DELETE"], "delete"),
    ])
    .unwrap();
    assert_eq!(find(&table, "GET", "/a"), "own");
    assert_eq!(find(&table, "HEAD", "/a"), "own");
    assert_eq!(find(&table, "POST", "/a"), "any");
    assert_eq!(find(&table, "POST", "/b"), "post");
    assert_eq!(find(&table, "HEAD", "/b"), "get");
    assert_eq!(find(&table, "HEAD", "/c"), "head");
    // The path decides first: `/{x}` is not asked.
    assert_eq!(find(&table, "DELETE", "/b"), "405 GET,HEAD,POST");
    assert_eq!(find(&table, "HEAD", "/x"), "405 DELETE");
}

#[test]
fn what_is_no_path_is_not_found() {
    let table = table(&[("/{*rest}", &[], "f")]).unwrap();
    for path in ["", "*", "photos", "http://x/"] {
        assert_eq!(find(&table, "GET", path), "404", "{path}");
    }
    assert_eq!(find(&RouteTable::default(), "GET", "/"), "404");
    assert_eq!(find(&RouteTable::new(&[]).unwrap(), "GET", "/a/b"), "404");
}

#[test]
fn patterns_may_name_the_same_parameter_differently() {
    let table = table(&[
        ("/u/{id}", &["GET"], "get"),
        ("/u/{name}", &["PUT"], "put"),
        ("/u/{user}/posts", &[], "posts"),
    ])
    .unwrap();
    assert_eq!(find(&table, "GET", "/u/1"), "get id=1");
    assert_eq!(find(&table, "PUT", "/u/1"), "put name=1");
    assert_eq!(find(&table, "PUT", "/u/1/posts"), "posts user=1");
    let RouteMatch::Found { pattern, .. } = table.find("PUT", "/u/1") else { panic!() };
    assert_eq!(pattern, "/u/{name}");
}

#[test]
fn routes_that_claim_the_same_make_no_table() {
    let taken = |first, second, path: &str, method: Option<&str>| RouteConflict::Taken {
        first,
        second,
        path: path.to_owned(),
        method: method.map(str::to_owned),
    };
    assert_eq!(
        table(&[("/x", &[], "f"), ("/a/{x}", &[], "f"), ("/a/{y}", &[], "g")]).unwrap_err(),
        taken(1, 2, "/a/{y}", None)
    );
    let error = table(&[("/a", &["GET", "PUT"], "f"), ("/%61", &["PUT"], "g")]).unwrap_err();
    assert_eq!(error, taken(0, 1, "/%61", Some("PUT")));
    assert_eq!(error.to_string(), "PUT `/%61` is claimed by two routes");
    let error = table(&[("a", &[], "f")]).unwrap_err();
    assert_eq!(error.to_string(), "route `a`: a path begins with `/`");
}

#[test]
fn a_hostile_path_costs_no_more_than_the_table() {
    // A static and a parameter at each of 60 segments: a matcher that backtracks without care
    // would try every combination.
    let statics = "/a".repeat(60);
    let params: String = (0..60).map(|i| format!("/{{p{i}}}")).collect();
    let mixed: Vec<String> = (0..60)
        .map(|i| (0..60).map(|j| if i == j { format!("/{{p{j}}}") } else { "/a".into() }).collect())
        .collect();
    let mut routes = vec![(statics.as_str(), &[][..], "f"), (&params, &[], "f")];
    routes.extend(mixed.iter().map(|path| (path.as_str(), &[][..], "f")));
    let table = table(&routes).unwrap();
    assert_eq!(find(&table, "GET", &format!("{}/b", "/a".repeat(60))), "404");
    assert_eq!(find(&table, "GET", &"/a".repeat(100_000)), "404");
}
