//! Searching, through every face; and registries that cannot be searched, or answer with nonsense.

use barque_tests::registry::debian::{Debian, Manner};
use barque_tests::registry::{Answer, Auth, Fault, Registry};
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, faces};
use serde_json::{Value, json};

pub(crate) fn add(suite: &mut Suite) {
    for face in faces::ALL {
        suite.add(format!("a search finds what the registry knows: {face}"), move || finds(face));
    }
    suite.add("a search shows docker's table, most stars first", table);
    suite.add("a search gives the credentials of a login", credentials);
    suite.add("a registry that cannot be searched is told as one", not_searchable);
    suite.add("an answer that is no search result is told as one", nonsense);
}

fn searchable() -> Registry {
    let registry = Registry::new();
    registry.store().searchable = vec![
        json!({"name": "web", "description": "A server\nof pages", "star_count": 3, "is_official": false}),
        json!({"name": "me/web", "description": "Mine", "star_count": 70, "is_official": false, "is_automated": true}),
        json!({"name": "webs", "star_count": 20, "is_official": true, "more": {"than": "asked"}}),
        json!({"name": "database", "star_count": 900, "is_official": true}),
    ];
    registry
}

/// Names in what a face gives: the command's rows have Go's names.
fn names(found: &Value) -> Vec<String> {
    let rows = found.as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |row: &Value| row["name"].as_str().or(row["Name"].as_str()).map(str::to_owned);
    let mut names: Vec<String> = rows.iter().filter_map(name).collect();
    names.sort();
    names
}

fn finds(face: &str) {
    let (sandbox, registry) = (Sandbox::new(), searchable());
    let mut face = faces::open(face, &sandbox);
    let mut search = |more: Value| {
        let mut request = json!({"Term": format!("{}/web", registry.address())});
        if let (Some(request), Some(more)) = (request.as_object_mut(), more.as_object()) {
            request.extend(more.clone());
        }
        face.call("image.search", &request.to_string())
    };
    for (more, found) in [
        (json!({}), vec!["me/web", "web", "webs"]),
        (json!({"Limit": 2}), vec!["me/web", "web"]),
        (json!({"Filters": {"stars": ["10"]}}), vec!["me/web", "webs"]),
        (json!({"Filters": {"is-official": ["true"]}}), vec!["webs"]),
        (json!({"Filters": {"is-official": ["false"], "stars": ["2", "4"]}}), vec!["me/web"]),
        (json!({"Filters": {"is-automated": ["true"]}}), vec!["me/web"]),
    ] {
        assert_eq!(names(&search(more.clone()).expect("search")), found, "{more}");
    }
    let limits = registry.asked("GET", "/v1/search");
    let limits: Vec<Option<String>> = limits.iter().take(2).map(|r| r.query("n")).collect();
    assert_eq!(limits, [Some("25".to_owned()), Some("2".to_owned())]);
    for (more, told) in [
        (json!({"Limit": 101}), "limit 101 is outside the range of [1, 100]"),
        (json!({"Filters": {"stars": ["many"]}}), "invalid filter 'stars=many'"),
        (json!({"Filters": {"is-official": ["perhaps"]}}), "invalid filter 'is-official=perhaps'"),
        (json!({"Filters": {"colour": ["blue"]}}), "invalid filter 'colour'"),
    ] {
        let error = search(more).expect_err(told).0.to_string();
        assert!(error.contains(told), "{error}");
    }
}

fn table() {
    let (sandbox, registry) = (Sandbox::new(), searchable());
    let shown = sandbox.ok(&["search", &format!("{}/web", registry.address())]);
    let lines: Vec<Vec<&str>> = shown
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect())
        .collect();
    assert_eq!(
        lines,
        [
            vec!["NAME", "DESCRIPTION", "STARS", "OFFICIAL"],
            vec!["me/web", "Mine", "70"],
            vec!["webs", "20", "[OK]"],
            vec!["web", "A server of pages", "3"],
        ]
    );
}

fn credentials() {
    let (sandbox, registry) = (Sandbox::new(), searchable());
    registry.store().auth = Auth::Basic("me".into(), "secret".into());
    let term = format!("{}/web", registry.address());
    let done = sandbox.barque(&["search", &term]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("no basic auth credentials"), "{}", done.stderr);
    sandbox.ok(&["login", "--username", "me", "--password", "secret", registry.address()]);
    assert_eq!(sandbox.ok(&["search", "--format", "{{.Name}}", "--limit", "1", &term]), "web");
}

fn not_searchable() {
    let sandbox = Sandbox::new();
    let debian = Debian::start(&sandbox.work().join("registry"), Manner::default());
    let done = sandbox.barque(&["search", &format!("{}/web", debian.address())]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("cannot be searched"), "{}", done.stderr);
}

fn nonsense() {
    let sandbox = Sandbox::new();
    for body in [
        "".to_owned(),
        "<html>".to_owned(),
        r#"{"results": 7}"#.to_owned(),
        r#"{"results": [], "results": []}"#.to_owned(),
        r#"{"results": [{"star_count": 1e99}]}"#.to_owned(),
        "[".repeat(100_000),
        " ".repeat(5 << 20),
    ] {
        let registry = searchable();
        let answer = Answer { status: 200, body: body.clone().into_bytes(), ..Answer::default() };
        registry.rule("GET", "/v1/search", 1, Fault::Instead(answer));
        let done = sandbox.barque(&["search", &format!("{}/web", registry.address())]);
        let start: String = body.chars().take(30).collect();
        assert_eq!((done.code, &*done.stdout), (1, ""), "{start}");
        assert!(done.stderr.contains("/v1/search"), "{start}: {}", done.stderr);
    }
}
