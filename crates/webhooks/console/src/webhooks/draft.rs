//! A webhook as the fields of a form.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use rdev_pages::{Difference, Form, FormFaults, Input, span};
use rdev_webhooks_app::WebhookViolation;
use rdev_webhooks_domain::signing::{SigningScheme, SigningSecret};
use rdev_webhooks_domain::{
    Access, BodyFormat, CustomHeaders, Metadata, REDACTED, RateLimit, RetryPolicy, Webhook, WebhookSettings,
    WebhookState,
};

const MAX_DESCRIPTION: usize = WebhookSettings::MAX_DESCRIPTION;
const MIN_TIMEOUT: Duration = Duration::from_millis(WebhookSettings::MIN_TIMEOUT_MS as u64);
const MAX_TIMEOUT: Duration = Duration::from_millis(WebhookSettings::MAX_TIMEOUT_MS as u64);
const MAX_IN_FLIGHT: u32 = WebhookSettings::MAX_IN_FLIGHT;

/// The fields, each with its label for a comparison.
const FIELDS: [(&str, &str); 14] = [
    ("url", "URL"),
    ("description", "Description"),
    ("events", "Events"),
    ("projects", "Projects"),
    ("headers", "Headers"),
    ("format", "Format"),
    ("attempts", "Attempts"),
    ("waits", "Waits"),
    ("timeout", "Timeout"),
    ("rate_limit", "Rate limit"),
    ("max_in_flight", "In flight"),
    ("expires_at", "Expires at"),
    ("metadata", "Metadata"),
    ("enabled", "Enabled"),
];

/// The texts of the fields by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Draft(BTreeMap<&'static str, String>);

impl Draft {
    /// Returns the draft of a new webhook, with what a link to the page has set.
    pub(super) fn new(query: &Form) -> Self {
        let mut draft = Self::of_form(query);
        draft.0.insert("enabled", "on".to_owned());
        for (name, default) in [("attempts", "3"), ("waits", "5s, 10s"), ("format", "rdev")] {
            draft.0.entry(name).and_modify(|text| {
                if text.is_empty() {
                    default.clone_into(text);
                }
            });
        }
        draft
    }

    /// Returns what a form has sent.
    pub(super) fn of_form(form: &Form) -> Self {
        let fields = FIELDS.into_iter().map(|(name, _)| name).chain(["signing", "secret"]);
        Self(fields.map(|name| (name, form.text(name).trim().to_owned())).collect())
    }

    /// Returns the draft of a stored webhook. Values of headers are secrets, and are not shown.
    pub(super) fn of_webhook(webhook: &Webhook) -> Self {
        let settings = &webhook.settings;
        let lines = |lines: Vec<String>| lines.join("\n");
        let (attempts, waits) = retry_texts(&settings.retry);
        let texts = [
            ("url", settings.url.to_string()),
            ("description", settings.description.clone().unwrap_or_default()),
            ("events", lines(settings.events.iter().map(ToString::to_string).collect())),
            ("projects", lines(settings.projects.iter().map(ToString::to_string).collect())),
            ("headers", lines(settings.headers.names().map(|name| format!("{name}: {REDACTED}")).collect())),
            ("format", settings.format.as_str().to_owned()),
            ("attempts", attempts),
            ("waits", waits),
            ("timeout", settings.timeout.map(span::text).unwrap_or_default()),
            (
                "rate_limit",
                settings.rate_limit.map(|rate| rate.as_per_second().to_string()).unwrap_or_default(),
            ),
            ("max_in_flight", settings.max_in_flight.map(|most| most.to_string()).unwrap_or_default()),
            ("expires_at", settings.expires_at.map(|at| at.to_string()).unwrap_or_default()),
            (
                "metadata",
                lines(
                    settings.metadata.as_map().iter().map(|(key, value)| format!("{key}={value}")).collect(),
                ),
            ),
            ("enabled", if webhook.state == WebhookState::Enabled { "on" } else { "" }.to_owned()),
        ];
        Self(BTreeMap::from(texts))
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn lines(&self, name: &str) -> impl Iterator<Item = &str> {
        self.text(name).lines().map(str::trim).filter(|line| !line.is_empty())
    }

    /// Returns whether the webhook is to be enabled.
    pub(super) fn is_enabled(&self) -> bool {
        self.text("enabled") == "on"
    }

    /// Returns the fields in which this draft differs from the stored one.
    pub(super) fn differences(&self, stored: &Self) -> Vec<Difference> {
        Difference::between(&FIELDS, |name| self.text(name), |name| stored.text(name))
    }

    /// Returns the secret that the form has given.
    pub(super) fn secret(&self, faults: &mut FormFaults) -> Option<SigningSecret> {
        let text = self.text("secret");
        if text.is_empty() { None } else { faults.check("secret", text.parse()) }
    }

    /// Returns the settings, or records what is wrong. Headers whose value was not typed keep that of `current`.
    pub(super) fn settings(
        &self,
        current: Option<&Webhook>,
        access: &Access,
        faults: &mut FormFaults,
    ) -> Option<WebhookSettings> {
        let url = faults.check("url", self.text("url").parse());
        let mut events = BTreeSet::new();
        for pattern in
            self.lines("events").flat_map(|line| line.split([',', ' '])).filter(|text| !text.is_empty())
        {
            events.extend(
                faults.check("events", pattern.parse().map_err(|error| format!("`{pattern}` {error}"))),
            );
        }
        if events.is_empty() && faults.of("events").is_empty() {
            faults.at("events", "must contain at least one event type or pattern; * stands for all");
        }
        let mut projects = BTreeSet::new();
        for name in self.lines("projects") {
            projects
                .extend(faults.check("projects", name.parse().map_err(|error| format!("`{name}` {error}"))));
        }
        if let Some(mine) = &access.projects {
            if projects.is_empty() {
                faults.at("projects", "must contain at least one of the projects of your API key");
            } else if !projects.is_subset(mine) {
                faults.at("projects", "must contain no other projects than those of your API key");
            }
        }
        let description = Some(self.text("description")).filter(|text| !text.is_empty());
        let is_odd = |char: char| char.is_control() && !matches!(char, '\n' | '\t');
        if description.is_some_and(|text| text.chars().count() > MAX_DESCRIPTION || text.chars().any(is_odd))
        {
            faults.at("description", format!("must be at most {MAX_DESCRIPTION} characters of text"));
        }
        let optional = |name: &str| Some(self.text(name)).filter(|text| !text.is_empty());
        let timeout = optional("timeout").and_then(|text| faults.check("timeout", timeout(text)));
        let rate_limit = optional("rate_limit").and_then(|text| {
            let rate = text.parse().ok().and_then(RateLimit::per_second);
            let (min, max) = RateLimit::RANGE.into_inner();
            faults.check("rate_limit", rate.ok_or(format!("must be a number from {min} to {max}")))
        });
        let max_in_flight =
            optional("max_in_flight").and_then(|text| faults.check("max_in_flight", in_flight(text)));
        let expires_at = optional("expires_at").and_then(|text| faults.check("expires_at", text.parse()));
        let format = faults.check("format", self.text("format").parse::<BodyFormat>());
        let signing = match current {
            Some(webhook) => Some(webhook.settings.signing),
            None => faults.check("signing", self.text("signing").parse::<SigningScheme>()),
        };
        let headers = self.headers(current, faults);
        let retry = self.retry(faults);
        let metadata = self.metadata(faults);
        if !faults.is_empty() {
            return None;
        }
        let mut settings = WebhookSettings::new(url?, events);
        settings.description = description.map(str::to_owned);
        settings.projects = projects;
        settings.timeout = timeout;
        settings.rate_limit = rate_limit;
        settings.max_in_flight = max_in_flight;
        settings.expires_at = expires_at;
        settings.format = format?;
        settings.signing = signing?;
        settings.headers = headers;
        settings.retry = retry?;
        settings.metadata = metadata;
        Some(settings)
    }

    fn headers(&self, current: Option<&Webhook>, faults: &mut FormFaults) -> CustomHeaders {
        let mut headers = CustomHeaders::default();
        for line in self.lines("headers") {
            let Some((name, value)) = line.split_once(':') else {
                faults.at("headers", format!("`{line}` must be a name, a colon and a value"));
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            let kept = current.and_then(|webhook| webhook.settings.headers.as_map().get(name));
            let value = match kept.and_then(|kept| kept.to_str().ok()) {
                Some(kept) if value == REDACTED => kept,
                None if value == REDACTED => {
                    faults.at("headers", format!("`{name}` has a placeholder and no value"));
                    continue;
                }
                _ => value,
            };
            if let Err(error) = headers.insert(name, value) {
                faults.at("headers", format!("`{name}` {error}"));
            }
        }
        headers
    }

    fn metadata(&self, faults: &mut FormFaults) -> Metadata {
        let mut metadata = Metadata::default();
        for line in self.lines("metadata") {
            let Some((key, value)) = line.split_once('=') else {
                faults.at("metadata", format!("`{line}` must be a key, = and a value"));
                continue;
            };
            if let Err(error) = metadata.insert(key.trim().to_owned(), value.trim().to_owned()) {
                faults.at("metadata", format!("`{}` {error}", key.trim()));
            }
        }
        metadata
    }

    /// Reads the retry policy: `5s, 10s` are the waits themselves; `5s x2 up to 1h` grow.
    fn retry(&self, faults: &mut FormFaults) -> Option<RetryPolicy> {
        let attempts =
            self.text("attempts").parse().map_err(|_| format!("must be 1 to {}", RetryPolicy::MAX_ATTEMPTS));
        let attempts: u32 = faults.check("attempts", attempts)?;
        let waits = self.text("waits");
        if let Some((initial, rest)) = waits.split_once('x') {
            let (multiplier, max) = rest.split_once("up to").unwrap_or((rest, "1h"));
            let initial = faults.check("waits", span::parse(initial.trim()))?;
            let max = faults.check("waits", span::parse(max.trim()))?;
            let multiplier =
                multiplier.trim().parse().map_err(|_| "must have a number after the x, such as 5s x2");
            let multiplier = faults.check("waits", multiplier)?;
            let policy = RetryPolicy::exponential(attempts, initial, multiplier, max);
            return faults.check("waits", policy);
        }
        let mut spans = Vec::new();
        for wait in waits.split(',').map(str::trim).filter(|wait| !wait.is_empty()) {
            spans.push(faults.check("waits", span::parse(wait))?);
        }
        if spans.len() + 1 != attempts as usize {
            let wanted = attempts.saturating_sub(1);
            faults.at("waits", format!("must list {wanted} waits for {attempts} attempts, such as 5s, 10s, or grow: 5s x2 up to 1h"));
            return None;
        }
        if RetryPolicy::default().waits().eq(spans.iter().copied()) {
            return Some(RetryPolicy::default());
        }
        faults.check("waits", RetryPolicy::schedule(spans))
    }

    /// Returns the fields of the form.
    pub(super) fn inputs(&self, faults: &FormFaults, is_new: bool, types: &str) -> Inputs {
        let filled = |input: Input, name: &str| input.value(self.text(name)).fault(faults.of(name));
        let line = |name, label, help: &str| filled(Input::line(name, label), name).help(help);
        let area = |name, label, rows, help: &str| filled(Input::area(name, label, rows), name).help(help);
        let formats = BodyFormat::ALL.into_iter().map(|one| (one.as_str(), one.as_str()));
        let mut main = vec![
            line("url", "URL", "https://, or http:// where it is allowed.").required(),
            area(
                "events",
                "Events",
                3,
                &format!("One type or pattern a line: command.* or * for all. Known: {types}."),
            )
            .required(),
            area("description", "Description", 2, ""),
            area("projects", "Projects", 2, "Only events of these projects, one a line. Empty for all."),
        ];
        let mut security = Vec::new();
        if is_new {
            let schemes = SigningScheme::ALL.into_iter().map(|one| (one.as_str(), one.as_str()));
            security.push(filled(Input::choice("signing", "Signature", schemes), "signing"));
            security.push(
                Input::secret("secret", "Secret")
                    .fault(faults.of("secret"))
                    .help("Empty to generate one, which is the rule."),
            );
        }
        security.push(area(
            "headers",
            "Headers",
            2,
            "Sent along, as Name: value. Values are encrypted and never shown again.",
        ));
        let delivery = vec![
            filled(Input::choice("format", "Format of the body", formats), "format"),
            line("attempts", "Attempts in all", ""),
            line("waits", "Waits between them", "5s, 10s, or growing: 5s x2 up to 1h"),
            line("timeout", "Timeout", "Such as 10s. Empty for the worker's."),
            line("rate_limit", "Deliveries a second", "Empty for no limit."),
            line("max_in_flight", "At the same time", "Empty for the worker's limit."),
            line("expires_at", "Expires at", "As 2026-01-31T00:00:00Z. It is disabled then."),
        ];
        main.push(filled(Input::check("enabled", "Enabled"), "enabled"));
        Inputs {
            main,
            security,
            delivery,
            metadata: area("metadata", "Metadata", 2, "Pairs for yourself, as key=value."),
        }
    }
}

/// The fields of the form, in groups.
pub(super) struct Inputs {
    pub(super) main: Vec<Input>,
    pub(super) security: Vec<Input>,
    pub(super) delivery: Vec<Input>,
    pub(super) metadata: Input,
}

/// Returns a retry policy as the texts of its fields.
fn retry_texts(policy: &RetryPolicy) -> (String, String) {
    let waits = match policy.as_exponential() {
        Some((_, initial, multiplier, max)) if *policy != RetryPolicy::default() => {
            format!("{} x{multiplier} up to {}", span::text(initial), span::text(max))
        }
        _ => policy.waits().map(span::text).collect::<Vec<_>>().join(", "),
    };
    (policy.max_attempts().to_string(), waits)
}

fn timeout(text: &str) -> Result<Duration, String> {
    let span = span::parse(text)?;
    let is_allowed = (MIN_TIMEOUT..=MAX_TIMEOUT).contains(&span);
    let fault = || format!("must be {} to {}", span::text(MIN_TIMEOUT), span::text(MAX_TIMEOUT));
    is_allowed.then_some(span).ok_or_else(fault)
}

fn in_flight(text: &str) -> Result<NonZeroU32, String> {
    let number: Option<NonZeroU32> = text.parse().ok();
    let number = number.filter(|number| number.get() <= MAX_IN_FLIGHT);
    number.ok_or_else(|| format!("must be 1 to {MAX_IN_FLIGHT}"))
}

/// Returns the field of a violation.
pub(super) fn place(violation: &WebhookViolation) -> &'static str {
    match violation {
        WebhookViolation::Destination(_) => "url",
        WebhookViolation::UnknownEvent(_) | WebhookViolation::TooManySubscriptions { .. } => "events",
        WebhookViolation::Expired => "expires_at",
        WebhookViolation::SecretOfOtherScheme(_) => "secret",
    }
}
