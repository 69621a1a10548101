//! Whole configurations, loaded from text. What a single option takes is in
//! `options::tests`.

mod accepted;
mod refused;
mod reloading;

use super::{Loaded, Report, Severity, load_text};

/// A cluster of one node and one proxy, with places for more: `DNS` and `APPS`
/// take further entries, `CLUSTER` further options of the SIP Cluster Node DN.
const SMALL: &str = r#"
cluster-key: 0123456789abcdef
switches:
  - name: SIP_Cluster
    dns:
      - name: SIP_Cluster_DN
        type: voip-service
        options:
          service-type: sip-cluster-nodes
          applications: [node_1]
          siproxy-applications: [proxy_1]
          #CLUSTER
      - {name: SIPProxy_DN, type: voip-service, options: {service-type: sip-outbound-proxy}}
      - {name: "7001-7009", type: extension, password: "secret-{dn}", options: {contact: "*"}}
      #DNS
applications:
  - {name: node_1, role: node, switch: SIP_Cluster, geo-location: dc1, host: 127.0.0.1, ports: {sip: 5070}}
  - {name: proxy_1, role: sip-proxy, switch: SIP_Cluster, geo-location: dc1, host: 127.0.0.1, ports: {sip: 5060}}
  #APPS
#FILE
"#;

/// The small cluster with lines put in at a mark, at the indent of the mark.
fn small(mark: &str, lines: &str) -> String {
    let Some(line) = SMALL.lines().find(|line| line.trim() == format!("#{mark}")) else {
        panic!("no mark {mark}")
    };
    let indent = line.split('#').next().unwrap_or_default();
    let lines: Vec<_> = lines.lines().map(|own| format!("{indent}{own}")).collect();
    SMALL.replace(line, &lines.join("\n"))
}

fn environment(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("a-key-from-the-environment".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn load(text: &str) -> Result<Loaded, Report> {
    load_text(text, "test.yaml", &environment)
}

fn accepted(text: &str) -> Loaded {
    load(text).unwrap_or_else(|report| panic!("refused:\n{report}"))
}

/// The findings of that severity, without their help.
fn messages(report: &Report, severity: Severity) -> Vec<String> {
    report
        .findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .map(|finding| format!("{}:{}: {}", finding.line, finding.column, finding.message))
        .collect()
}

/// The errors of a text that is refused.
fn errors(text: &str) -> Vec<String> {
    match load(text) {
        Ok(_) => Vec::new(),
        Err(report) => messages(&report, Severity::Error),
    }
}

/// Checks that a text is refused for exactly one reason.
fn refused(text: &str, reason: &str) {
    let errors = errors(text);
    assert_eq!(errors.len(), 1, "{errors:#?} for\n{text}");
    assert!(errors.iter().all(|error| error.contains(reason)), "{errors:#?} lacks `{reason}`");
}

/// Checks that a text is accepted with exactly one warning.
fn warned(text: &str, reason: &str) {
    let warnings = messages(&accepted(text).report, Severity::Warning);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(
        warnings.iter().all(|warning| warning.contains(reason)),
        "{warnings:#?} lacks `{reason}`"
    );
}
