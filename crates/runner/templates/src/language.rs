//! The part of minijinja's language that templates have.
//!
//! What a template can make longer than its variables, such as `~`, `*`, lists and captured blocks, is missing, as is
//! everything that can be called. What remains cannot grow by doubling, so that the bounds on the output and on the
//! steps bound memory and time. The check reads the parsed template and refuses all that it does not list.

use std::collections::BTreeSet;

use minijinja::machinery::ast::{BinOpKind, Expr, Spanned, Stmt, UnaryOpKind};
use minijinja::machinery::{Token, Tokenizer, parse};
use minijinja::syntax::SyntaxConfig;
use rdev_runner_domain::TemplateFault;

use crate::filters;
use crate::limits::{MAX_BLOCKS, MAX_TOKENS};
use crate::reason::reason;

/// What templates know of a loop.
const LOOP: &[&str] = &["first", "index", "index0", "last", "length"];

/// Returns the delimiters of the language, which are the usual ones, and its treatment of white space: a line with
/// nothing but a tag leaves no trace.
pub(crate) fn syntax() -> SyntaxConfig {
    let mut builder = SyntaxConfig::builder();
    builder.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    // Only other delimiters can be invalid.
    builder.build().unwrap_or_default()
}

/// Checks a template, whose variables have these names.
pub(crate) fn check(file: &str, source: &str, variables: &BTreeSet<&str>) -> Result<(), TemplateFault> {
    let failed = |error: &minijinja::Error| TemplateFault {
        file: file.to_owned(),
        line: error.line(),
        reason: reason(error),
    };
    count(file, source)?;
    let parsed = parse(source, file, syntax()).map_err(|error| failed(&error))?;
    let mut scope = Scope { names: variables.clone() };
    scope.statement(&parsed).map_err(|(line, reason)| TemplateFault {
        file: file.to_owned(),
        line: Some(line),
        reason,
    })
}

/// Bounds what the parser, which recurses, gets to read.
fn count(file: &str, source: &str) -> Result<(), TemplateFault> {
    let mut tokenizer = Tokenizer::new(source, file, false, syntax());
    let (mut tokens, mut blocks) = (0, 0);
    loop {
        let (token, span) = match tokenizer.next_token() {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(error) => {
                return Err(TemplateFault {
                    file: file.to_owned(),
                    line: error.line(),
                    reason: reason(&error),
                });
            }
        };
        match token {
            Token::TemplateData(_) | Token::VariableStart => tokens = 0,
            Token::BlockStart => {
                tokens = 0;
                blocks += 1;
            }
            _ => tokens += 1,
        }
        let line = Some(span.start_line as usize);
        if tokens > MAX_TOKENS {
            let reason = format!("has an expression of more than {MAX_TOKENS} parts");
            return Err(TemplateFault { file: file.to_owned(), line, reason });
        }
        if blocks > MAX_BLOCKS {
            let reason = format!("has more than {MAX_BLOCKS} tags");
            return Err(TemplateFault { file: file.to_owned(), line, reason });
        }
    }
}

/// The names that are defined where the walk is.
struct Scope<'a> {
    names: BTreeSet<&'a str>,
}

/// A line, and what is wrong there.
type Refusal = (usize, String);

impl<'a> Scope<'a> {
    fn statements(&mut self, statements: &[Stmt<'a>]) -> Result<(), Refusal> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Stmt<'a>) -> Result<(), Refusal> {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitRaw(_) => Ok(()),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr)?;
                self.statements(&condition.true_body)?;
                self.statements(&condition.false_body)
            }
            Stmt::ForLoop(found) => {
                self.expression(&found.iter)?;
                let Expr::Var(target) = &found.target else {
                    return Err(refused(found, "a loop over more than one name"));
                };
                if found.recursive {
                    return Err(refused(found, "a recursive loop"));
                }
                let outer = self.names.clone();
                self.names.extend([target.id, "loop"]);
                let filter = found.filter_expr.as_ref().map_or(Ok(()), |filter| self.expression(filter));
                let body = filter.and_then(|()| self.statements(&found.body));
                self.names = outer;
                body?;
                self.statements(&found.else_body)
            }
            Stmt::Set(found) => Err(refused(found, "`set`")),
            Stmt::SetBlock(found) => Err(refused(found, "`set`")),
            Stmt::WithBlock(found) => Err(refused(found, "`with`")),
            Stmt::AutoEscape(found) => Err(refused(found, "`autoescape`")),
            Stmt::FilterBlock(found) => Err(refused(found, "a block with a filter")),
            #[allow(unreachable_patterns, reason = "which statements there are depends on features")]
            _ => Err((1, "uses a tag that templates do not have".to_owned())),
        }
    }

    fn expression(&self, expression: &Expr<'a>) -> Result<(), Refusal> {
        match expression {
            Expr::Const(_) => Ok(()),
            Expr::Var(variable) if self.names.contains(variable.id) => Ok(()),
            Expr::Var(variable) => {
                Err((line(variable), format!("uses the variable {}, which is undefined", variable.id)))
            }
            Expr::UnaryOp(found) => match found.op {
                UnaryOpKind::Not => self.expression(&found.expr),
                UnaryOpKind::Neg => Err(refused(found, "arithmetic")),
            },
            Expr::Compare(found) => {
                self.expression(&found.expr)?;
                found.ops.iter().try_for_each(|compared| self.expression(&compared.expr))
            }
            Expr::BinOp(found) => {
                use BinOpKind::{Concat, Eq, Gt, Gte, In, Lt, Lte, Ne, ScAnd, ScOr};
                match found.op {
                    Eq | Ne | Lt | Lte | Gt | Gte | ScAnd | ScOr | In => {}
                    Concat => return Err(refused(found, "`~`")),
                    _ => return Err(refused(found, "arithmetic")),
                }
                self.expression(&found.left)?;
                self.expression(&found.right)
            }
            Expr::IfExpr(found) => {
                self.expression(&found.test_expr)?;
                self.expression(&found.true_expr)?;
                let otherwise = found.false_expr.as_ref();
                self.expression(
                    otherwise.ok_or_else(|| refused(found, "a value with `if` and without `else`"))?,
                )
            }
            Expr::Filter(found) => {
                if !filters::NAMES.contains(&found.name) {
                    let reason = format!(
                        "uses the filter {}: the filters are {}",
                        found.name,
                        filters::NAMES.join(", ")
                    );
                    return Err((line(found), reason));
                }
                if !found.args.is_empty() {
                    return Err((
                        line(found),
                        format!("gives arguments to the filter {}, which has none", found.name),
                    ));
                }
                found.expr.as_ref().map_or(Ok(()), |expr| self.expression(expr))
            }
            // Attributes of a loop, such as `loop.last`.
            Expr::GetAttr(found) => match &found.expr {
                Expr::Var(variable) if variable.id == "loop" => {
                    self.expression(&found.expr)?;
                    if LOOP.contains(&found.name) {
                        return Ok(());
                    }
                    Err((line(found), format!("uses loop.{}: a loop has {}", found.name, LOOP.join(", "))))
                }
                _ => Err(refused(found, "an attribute of a value")),
            },
            Expr::GetItem(found) => Err(refused(found, "an item of a value")),
            Expr::Slice(found) => Err(refused(found, "a slice")),
            Expr::Test(found) => Err(refused(found, "a test with `is`")),
            Expr::Call(found) => Err(refused(found, "a call")),
            Expr::List(found) => Err(refused(found, "a list")),
            Expr::Tuple(found) => Err(refused(found, "a list")),
            Expr::Map(found) => Err(refused(found, "a map")),
            #[allow(unreachable_patterns, reason = "which expressions there are depends on features")]
            _ => Err((1, "uses an expression that templates do not have".to_owned())),
        }
    }
}

fn refused<T>(node: &Spanned<T>, what: &str) -> Refusal {
    (line(node), format!("uses {what}, which templates do not have"))
}

fn line<T>(node: &Spanned<T>) -> usize {
    node.span().start_line as usize
}
