//! The fields of forms: label, control, help and fault belong together.

use std::borrow::Cow;
use std::fmt;

use askama::Template;

/// A field of a form. It shows its value exactly, unlike the rest of a page, so that what is saved is what was there.
#[derive(Debug, Clone, Template)]
#[template(path = "input.html")]
pub struct Input {
    name: Cow<'static, str>,
    label: Cow<'static, str>,
    control: Control,
    value: Exact,
    fault: String,
    help: String,
    pattern: &'static str,
    is_required: bool,
    is_search: bool,
}

#[derive(Debug, Clone)]
enum Control {
    Line(&'static str),
    Area(u8),
    Choice(Vec<(String, String)>),
    Check,
}

/// A text whose markup is escaped and which is unchanged otherwise.
#[derive(Debug, Clone, Default)]
struct Exact(String);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        askama::filters::escape(&self.0, askama::filters::Html).map_err(|_| fmt::Error)?.fmt(f)
    }
}

impl Input {
    /// Creates a field of one line.
    #[must_use]
    pub fn line(name: impl Into<Cow<'static, str>>, label: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, label, Control::Line("text"))
    }

    /// Creates a field of one line whose value is not shown.
    #[must_use]
    pub fn secret(name: impl Into<Cow<'static, str>>, label: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, label, Control::Line("password"))
    }

    /// Creates a field of several lines.
    #[must_use]
    pub fn area(name: impl Into<Cow<'static, str>>, label: impl Into<Cow<'static, str>>, rows: u8) -> Self {
        Self::new(name, label, Control::Area(rows))
    }

    /// Creates a choice: values with their labels.
    #[must_use]
    pub fn choice<V: Into<String>, L: Into<String>>(
        name: impl Into<Cow<'static, str>>,
        label: impl Into<Cow<'static, str>>,
        options: impl IntoIterator<Item = (V, L)>,
    ) -> Self {
        let options = options.into_iter().map(|(value, label)| (value.into(), label.into()));
        Self::new(name, label, Control::Choice(options.collect()))
    }

    /// Creates a check box; it is sent as `on`.
    #[must_use]
    pub fn check(name: impl Into<Cow<'static, str>>, label: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, label, Control::Check)
    }

    fn new(
        name: impl Into<Cow<'static, str>>,
        label: impl Into<Cow<'static, str>>,
        control: Control,
    ) -> Self {
        let (fault, help) = (String::new(), String::new());
        Self {
            name: name.into(),
            label: label.into(),
            control,
            value: Exact::default(),
            fault,
            help,
            pattern: "",
            is_required: false,
            is_search: false,
        }
    }

    /// Sets the value. A check box is checked by `on`.
    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.value = Exact(value.into());
        self
    }

    /// Sets what is wrong with the value; an empty text is no fault.
    #[must_use]
    pub fn fault(mut self, fault: impl Into<String>) -> Self {
        self.fault = fault.into();
        self
    }

    /// Sets a sentence of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Sets the pattern of the value, which the browser checks too. The help says what it demands.
    #[must_use]
    pub fn pattern(mut self, pattern: &'static str) -> Self {
        self.pattern = pattern;
        self
    }

    /// Requires a value.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Makes this the field that the key `/` leads to.
    #[must_use]
    pub fn search(mut self) -> Self {
        self.is_search = true;
        self
    }

    fn described_by(&self) -> String {
        let fault = (!self.fault.is_empty()).then(|| format!("{}-fault", self.name));
        let help = (!self.help.is_empty()).then(|| format!("{}-help", self.name));
        fault.into_iter().chain(help).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_exact_and_no_markup() {
        let text = "a\"<b>'&\u{202e}";
        let shown = Input::line("x", "X").value(text).fault("must <be>").to_string();
        assert!(shown.contains("value=\"a&#34;&#60;b&#62;&#39;&#38;\u{202e}\""), "{shown}");
        assert!(
            shown.contains("must &lt;be&gt;") && shown.contains("aria-describedby=\"x-fault\""),
            "{shown}"
        );
    }
}
