//! `templates`.

use clap::{Args, Subcommand};
use rdev_cli::output::say;
use rdev_cli::table::Column;
use rdev_cli::{Failure, Format, Outcome, Session};
use rdev_client::Reply;
use rdev_runner_client::{ApplyTemplate, Client, RenderTemplate, Template};
use serde_json::{Map, Value};

const COLUMNS: &[Column] = &[("NAME", "name"), ("DESCRIPTION", "description")];
const VARIABLES: &[Column] =
    &[("VARIABLE", "name"), ("TYPE", "type"), ("DEFAULT", "default"), ("DESCRIPTION", "description")];
const FILES: &[Column] = &[("STATE", "state"), ("PATH", "path")];
const PATHS: &[Column] = &[("PATH", "path")];

#[derive(Debug, Subcommand)]
pub enum TemplatesVerb {
    /// List the templates by name
    List,
    /// Show the variables of a template
    Show {
        /// Name of the template
        #[arg(value_name = "TEMPLATE")]
        name: String,
    },
    /// Show what a template makes, without writing anything
    Render(RenderArgs),
    /// Write the files of a template into the workspace of a project: all of them or none
    Apply(ApplyArgs),
}

#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Name of the template
    #[arg(value_name = "TEMPLATE")]
    name: String,
    #[command(flatten)]
    values: ValueArgs,
    /// Project whose workspace the files are compared with
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Print the content of this file alone
    #[arg(long, value_name = "PATH")]
    file: Option<String>,
}

#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Name of the template
    #[arg(value_name = "TEMPLATE")]
    name: String,
    /// Project whose workspace gets the files
    #[arg(value_name = "PROJECT")]
    project: String,
    #[command(flatten)]
    values: ValueArgs,
    /// Replace files that have other content
    #[arg(long)]
    overwrite: bool,
}

// The values of a template's variables.
#[derive(Debug, Args)]
struct ValueArgs {
    /// Value of a variable; repeat it for more variables, and for more items of a list
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
}

pub(crate) async fn run(session: Session, verb: TemplatesVerb) -> Outcome {
    let client: Client = session.client()?;
    match verb {
        TemplatesVerb::List => {
            let templates = session.done(client.list_templates().await)?;
            let items: Vec<_> = templates.data.iter().map(Reply::json).collect();
            session.printer.list(COLUMNS, &items)
        }
        TemplatesVerb::Show { name } => {
            let template = session.done(client.get_template(&name).await)?;
            if session.printer.format != Format::Table {
                return session.printer.one(template.json());
            }
            let variables: Vec<_> = template.variables.iter().map(Reply::json).collect();
            session.printer.list(VARIABLES, &variables)
        }
        TemplatesVerb::Render(args) => render(&session, &client, args).await,
        TemplatesVerb::Apply(args) => apply(&session, &client, args).await,
    }
}

async fn render(session: &Session, client: &Client, args: RenderArgs) -> Outcome {
    let template = session.done(client.get_template(&args.name).await)?;
    let request = RenderTemplate { variables: args.values.of(&template)?, project: args.project };
    let rendered = session.done(client.render_template(&args.name, &request).await)?;
    if let Some(path) = &args.file {
        let file = rendered.files.iter().find(|file| file.path == *path);
        let file = file.ok_or_else(|| Failure::usage(format!("the template makes no file {path}")))?;
        return session.printer.print(file.content.trim_end_matches('\n'));
    }
    if session.printer.format != Format::Table {
        return session.printer.one(rendered.json());
    }
    warn(&rendered.warnings);
    let files: Vec<_> = rendered.files.iter().map(Reply::json).collect();
    session.printer.list(if request.project.is_some() { FILES } else { PATHS }, &files)
}

async fn apply(session: &Session, client: &Client, args: ApplyArgs) -> Outcome {
    let template = session.done(client.get_template(&args.name).await)?;
    let variables = args.values.of(&template)?;
    let request = ApplyTemplate { template: args.name, variables, overwrite: args.overwrite };
    let applied = session.done(client.apply_template(&args.project, &request).await)?;
    if session.printer.format != Format::Table {
        return session.printer.one(applied.json());
    }
    warn(&applied.warnings);
    let files: Vec<_> = applied.files.iter().map(Reply::json).collect();
    session.printer.list(FILES, &files)
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        say(&format!("warning: {warning}"));
    }
}

impl ValueArgs {
    /// Returns the values, each of the type of its variable. What is no value of it is left to the service, which says
    /// what it must be.
    fn of(&self, template: &Template) -> Outcome<Map<String, Value>> {
        let mut values = Map::new();
        for given in &self.set {
            let (name, text) = given
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("--set {given}: must be NAME=VALUE")))?;
            let variable = template.variables.iter().find(|variable| variable.name == name);
            let value = match variable.map_or("text", |variable| variable.kind.as_str()) {
                "integer" => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
                "boolean" => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
                "list" => {
                    let items = values.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                    if let Value::Array(items) = items {
                        items.push(text.into());
                    }
                    continue;
                }
                _ => text.into(),
            };
            if values.insert(name.to_owned(), value).is_some() {
                return Err(Failure::usage(format!("--set {name}: is given twice")));
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template() -> Template {
        let variable = |name: &str, kind: &str| {
            json!({
                "name": name, "description": "A value.", "type": kind, "required": true, "default": null,
                "min": null, "max": null, "values": []
            })
        };
        let variables = [
            variable("name", "slug"),
            variable("port", "integer"),
            variable("public", "boolean"),
            variable("items", "list"),
        ];
        serde_json::from_value(json!({"name": "own", "description": "A template.", "variables": variables}))
            .unwrap()
    }

    fn values(set: &[&str]) -> Result<Value, String> {
        let set = set.iter().map(|text| (*text).to_owned()).collect();
        let values = ValueArgs { set }.of(&template());
        values.map(Value::Object).map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn a_value_has_the_type_of_its_variable() {
        let found = values(&["name=123", "port=8080", "public=true", "items=a", "items=b=c", "other=1"]);
        let expected =
            json!({"name": "123", "port": 8080, "public": true, "items": ["a", "b=c"], "other": "1"});
        assert_eq!(found.unwrap(), expected);
        assert_eq!(values(&["port=many", "public=yes"]).unwrap(), json!({"port": "many", "public": "yes"}));
        assert!(values(&["name"]).unwrap_err().contains("must be NAME=VALUE"));
        assert!(values(&["name=a", "name=b"]).unwrap_err().contains("is given twice"));
    }
}
