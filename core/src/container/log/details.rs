//! What `--details` puts before a line: the labels and variables that the log's options name.

use std::collections::BTreeMap;

use crate::container::record::Record;
use crate::percent::encoded;

/// `name=value,name=value`, in the order of the names; what would end one is written as in a URL's query.
pub(crate) fn details(record: &Record) -> String {
    let options = &record.document.host_config.log_config.config;
    let names = |option: &str| options.get(option).into_iter().flat_map(|names| names.split(','));
    let labels =
        names("labels").filter_map(|name| Some((name, record.config.labels.get(name)?.as_str())));
    let variables = names("env").filter_map(|name| {
        let mut variables = record.config.env.iter().filter_map(|entry| entry.split_once('='));
        variables.rfind(|(variable, _)| *variable == name)
    });
    let all: BTreeMap<&str, &str> = labels.chain(variables).collect();
    let shown = all.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    shown.collect::<Vec<_>>().join(",")
}

/// As Go's `url.QueryEscape`.
fn escaped(text: &str) -> String {
    encoded(text).replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_would_end_a_value_is_escaped() {
        assert_eq!(escaped("a-b_c.d~9 e=f,g\n\u{e4}"), "a-b_c.d~9+e%3Df%2Cg%0A%C3%A4");
    }
}
