//! Tables for people, from the JSON of `/api/v1`.

use serde_json::Value;

/// A list of rows with a heading.
#[derive(Debug)]
pub(super) struct Table {
    heading: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table whose cells are read from the objects of a list: `fields` name them, in the order of `heading`.
    pub(super) fn of(list: &Value, heading: &'static [&'static str], fields: &[&str]) -> Self {
        let objects = list.as_array().map(Vec::as_slice).unwrap_or_default();
        let row = |object: &Value| fields.iter().map(|field| cell(&object[*field])).collect();
        Self { heading, rows: objects.iter().map(row).collect() }
    }

    /// Whether there is no row.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Lines, columns aligned, two spaces between them.
    pub(super) fn text(&self) -> String {
        let heading: Vec<String> = self.heading.iter().map(|name| (*name).to_owned()).collect();
        let lines: Vec<&Vec<String>> = core::iter::once(&heading).chain(&self.rows).collect();
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..heading.len()).map(width).collect();
        let mut text = String::new();
        for line in lines {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// A value as people read it. Control characters are shown as dots: what a phone sent stays in its cell.
pub(super) fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "-".to_owned(),
        Value::Array(list) => list.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Number(_) | Value::Object(_) => value.to_string(),
    };
    text.chars().map(|letter| if letter.is_control() { '.' } else { letter }).collect()
}
