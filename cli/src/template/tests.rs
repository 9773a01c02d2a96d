use serde_json::{Value, json};

use super::Template;

fn data() -> Value {
    json!({
        "ID": "4c01db0b339c",
        "Names": "web",
        "State": {"Status": "running", "Running": true, "ExitCode": 0, "Pid": 4242},
        "Config": {"Env": ["A=1", "B=2"], "Labels": {"com.example.role": "db", "tier": "back"}, "Cmd": null},
        "Mounts": [{"Source": "/a", "Destination": "/x"}, {"Source": "/b", "Destination": "/y"}],
        "Size": 1048576,
        "Ratio": 0.5,
        "Empty": "",
        "\u{0}labels": {"tier": "back"},
    })
}

fn fill(template: &str) -> String {
    match Template::parse(template).and_then(|template| template.fill(&data())) {
        Ok(text) => text,
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn what_people_write_for_docker_gives_what_docker_gives() {
    for (template, wanted) in [
        ("", ""),
        ("plain } text { {", "plain } text { {"),
        ("{{.ID}}", "4c01db0b339c"),
        ("{{ .ID }}: {{.Names}}", "4c01db0b339c: web"),
        ("{{.State.Status}}", "running"),
        ("{{.State.Running}} {{.State.ExitCode}} {{.Ratio}}", "true 0 0.5"),
        ("{{json .State}}", r#"{"ExitCode":0,"Pid":4242,"Running":true,"Status":"running"}"#),
        ("{{.State | json}}", r#"{"ExitCode":0,"Pid":4242,"Running":true,"Status":"running"}"#),
        ("{{json .Names}}", "\"web\""),
        ("{{.Config.Env}}", "[A=1 B=2]"),
        ("{{.Config.Labels}}", "map[com.example.role:db tier:back]"),
        ("{{.Config.Cmd}}", "<no value>"),
        (r#"{{index .Config.Labels "com.example.role"}}"#, "db"),
        (r#"{{index .Config.Labels "none"}}"#, ""),
        ("{{index .Config.Env 1}}", "B=2"),
        ("{{(index .Mounts 1).Destination}}", "/y"),
        (r#"{{index .Mounts 0 "Source"}}"#, "/a"),
        (r#"{{join .Config.Env ", "}}"#, "A=1, B=2"),
        (r#"{{.Names | upper | printf "%-5s|"}}"#, "WEB  |"),
        (
            r#"{{printf "%05d %q %.2f %x%%" .State.Pid .Names .Ratio 255}}"#,
            "04242 \"web\" 0.50 ff%",
        ),
        ("{{lower \"ABC\"}} {{title `hello world`}}", "abc Hello World"),
        (r#"{{pad .Names 1 2}}|{{truncate .ID 4}}|{{split "a,b" ","}}"#, " web  |4c01|[a b]"),
        ("{{len .Config.Env}} {{len .Names}}", "2 3"),
        (r#"{{slice .ID 0 4}}"#, "4c01"),
        (r#"{{.Label "tier"}}{{.Label "none"}}"#, "back"),
        (r#"{{println "a" 1}}"#, "a 1\n"),
        (r#"{{"a\tb\"\u00e9"}}"#, "a\tb\"é"),
    ] {
        assert_eq!(fill(template), wanted, "{template}");
    }
}

#[test]
fn blocks_choose_repeat_and_rebind() {
    for (template, wanted) in [
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .Empty}}a{{else if .Config.Cmd}}b{{else}}c{{end}}", "c"),
        ("{{if and .Names (not .Empty)}}yes{{end}}", "yes"),
        ("{{if or .Empty .Names}}yes{{end}}", "yes"),
        (r#"{{if eq .State.Status "exited" "running"}}yes{{end}}"#, "yes"),
        ("{{if gt .Size 1000}}big{{end}}{{if lt .Ratio 1}}!{{end}}", "big!"),
        ("{{range .Mounts}}{{.Source}}:{{.Destination}} {{end}}", "/a:/x /b:/y "),
        ("{{range $i, $m := .Mounts}}{{$i}}={{$m.Source}};{{end}}", "0=/a;1=/b;"),
        (
            "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}},{{end}}",
            "com.example.role=db,tier=back,",
        ),
        ("{{range .Config.Cmd}}x{{else}}none{{end}}", "none"),
        ("{{with .State}}{{.Status}} of {{$.Names}}{{end}}", "running of web"),
        ("{{with .Empty}}a{{else}}{{.Names}}{{end}}", "web"),
        ("{{$n := .Names}}{{$n}}-{{$n}}", "web-web"),
        ("{{$n := 1}}{{range .Mounts}}{{$n = 2}}{{end}}{{$n}}", "2"),
        ("a {{- /* nothing */ -}} b", "ab"),
        ("a\n{{- .Names -}}\n b", "awebb"),
        ("{{ 3 -}} 4", "34"),
        ("{{range .Mounts}}{{if eq .Source \"/b\"}}{{.Destination}}{{end}}{{end}}", "/y"),
    ] {
        assert_eq!(fill(template), wanted, "{template}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (template, wanted) in [
        ("{{.Nothing}}", "map has no entry for key \"Nothing\""),
        ("{{.State.Nothing}}", "map has no entry for key \"Nothing\""),
        ("{{.Names.Deep}}", "can't evaluate field Deep"),
        ("{{.ID", "unclosed action"),
        ("{{if .ID}}x", "has no {{end}}"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{fly .ID}}", "function \"fly\" not defined"),
        ("{{json}}", "wrong arguments for json"),
        ("{{index .Config.Env 7}}", "index out of range: 7"),
        ("{{}}", "missing value for command"),
        ("{{.ID | .Names}}", "can't give argument to non-function"),
        ("{{\"open}}", "unterminated quoted string"),
        ("{{(.ID}}", "unclosed left paren"),
        ("{{$x}}", "undefined variable \"$x\""),
        ("{{printf \"%999999999d\" 1}}", "the field is too wide"),
        ("{{template \"x\"}}", "template is not supported"),
        ("{{&}}", "unexpected '&'"),
    ] {
        let got = fill(template);
        assert!(got.starts_with("error: ") && got.contains(wanted), "{template}: {got}");
    }
    let deep = format!("{}{}", "{{if 1}}".repeat(5_000), "{{end}}".repeat(5_000));
    assert!(fill(&deep).contains("nested too deep"));
    let deep = format!("{{{{{}1{}}}}}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(fill(&deep).contains("nested too deep"));
}

#[test]
fn a_head_shows_names_whatever_the_functions() {
    let names = json!({"ID": "CONTAINER ID", "Names": "NAMES"});
    let head = |text: &str| Template::parse(text).and_then(|t| t.head(&names));
    assert_eq!(head("{{.ID}}\t{{upper .Names}}").as_deref(), Ok("CONTAINER ID\tNAMES"));
    assert_eq!(head("{{json .Names}}\t{{.Label \"role\"}}").as_deref(), Ok("NAMES\trole"));
}
