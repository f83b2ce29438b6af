//! `mayfly tenant` and `mayfly token`.

use jiff::Timestamp;
use mayfly_state_api::Role;
use mayfly_types::TenantName;

use super::Failure;
use super::context::Context;
use super::failure::Exit;
use super::format::{self, Format, FormatArgs};
use super::table::{Cell, Table};
use super::terminal::{Palette, Tone, harmless};
use super::time;
use crate::client::{Tenant, TokenLine};

/// Makes, suspends and deletes tenants, for the node's operator
///
/// A tenant has apps, secrets, tokens, budgets and usage of its own, and sees nobody else's.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly tenant create acme\n  \
    mayfly token create ci --role deploy --tenant acme\n  \
    mayfly tenant suspend acme")]
pub(crate) struct TenantArgs {
    #[command(subcommand)]
    command: TenantCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TenantCommand {
    /// Makes a tenant
    #[command(after_help = "Examples:\n  mayfly tenant create acme")]
    Create(OneArgs),
    List(ListArgs),
    /// Suspends a tenant: none of its functions runs, and its events wait
    #[command(after_help = "Examples:\n  mayfly tenant suspend acme")]
    Suspend(OneArgs),
    /// Lets a suspended tenant go on
    #[command(after_help = "Examples:\n  mayfly tenant resume acme")]
    Resume(OneArgs),
    Delete(DeleteArgs),
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// The tenant: lower-case letters, digits and single hyphens
    #[arg(value_name = "NAME")]
    tenant: TenantName,
}

/// Deletes a tenant with all that it has, but not what it used
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mayfly tenant delete acme\n  mayfly tenant delete acme --yes")]
struct DeleteArgs {
    /// The tenant
    #[arg(value_name = "NAME")]
    tenant: TenantName,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Lists tenants
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mayfly tenant list\n  mayfly tenant list --format json")]
struct ListArgs {
    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn run(context: &Context<'_>, args: TenantArgs) -> Result<(), Failure> {
    let client = context.client()?;
    let terminal = context.terminal;
    match args.command {
        TenantCommand::Create(OneArgs { tenant }) => {
            let made = client.create_tenant(&tenant)?;
            terminal.print(format!("{} has the account {}", made.tenant, made.account))?;
            terminal.tell(format!("next: mayfly token create NAME --role admin --tenant {tenant}"));
            Ok(())
        }
        TenantCommand::List(ListArgs { format }) => {
            let tenants = client.tenants()?;
            if format.get() == Format::Json {
                return format::json(context, &tenants);
            }
            let now = Timestamp::now().as_microsecond();
            Ok(terminal.print(tenants_table(&tenants, now, terminal.out))?)
        }
        TenantCommand::Suspend(OneArgs { tenant }) => {
            client.suspend(&tenant, true)?;
            Ok(terminal.print(format!("{tenant} is suspended: none of its functions runs"))?)
        }
        TenantCommand::Resume(OneArgs { tenant }) => {
            client.suspend(&tenant, false)?;
            Ok(terminal.print(format!("{tenant} goes on"))?)
        }
        TenantCommand::Delete(DeleteArgs { tenant, yes }) => {
            if !yes && !terminal.in_is_terminal {
                let text = format!("nobody can be asked whether to delete the tenant `{tenant}`");
                return Err(Failure::usage(text).help("say so with --yes"));
            }
            let question = format!(
                "Delete the tenant `{tenant}` with all its apps, secrets and tokens? [y/N]"
            );
            if !yes && !terminal.confirm(&question)? {
                terminal.tell("nothing was deleted");
                return Err(Failure::silent(Exit::Failed));
            }
            client.delete_tenant(&tenant)?;
            Ok(terminal.print(format!("deleted {tenant}"))?)
        }
    }
}

/// Makes, lists and deletes tokens
///
/// A token speaks for a tenant and may do what its role says: admin all of the tenant, deploy also secrets and
/// traffic, invoke run functions alone, read nothing but read. The node stores no token, only its hash.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly token create ci --role deploy\n  \
    mayfly token list\n  \
    mayfly token delete ci")]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TokenCommand {
    Create(CreateTokenArgs),
    List(ListTokensArgs),
    Delete(DeleteTokenArgs),
}

/// Makes a token and prints it, this once; one of the same name ends
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mayfly token create ci --role deploy\n  mayfly token create boss --role admin --tenant acme"
)]
struct CreateTokenArgs {
    /// A name for people, as it stands in the history and on the bill
    #[arg(value_name = "NAME")]
    name: String,
    /// What it may do: admin, deploy, invoke, read, or operator
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// Another tenant, for the node's operator
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantName>,
}

/// Lists tokens
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mayfly token list\n  mayfly token list --tenant acme")]
struct ListTokensArgs {
    /// Another tenant, for the node's operator
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantName>,
    #[command(flatten)]
    format: FormatArgs,
}

/// Deletes a token: nobody is let in with it any more
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mayfly token delete ci")]
struct DeleteTokenArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// Another tenant, for the node's operator
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantName>,
}

pub(super) fn tokens(context: &Context<'_>, args: TokenArgs) -> Result<(), Failure> {
    let client = context.client()?;
    let terminal = context.terminal;
    match args.command {
        TokenCommand::Create(CreateTokenArgs { name, role, tenant }) => {
            let token = client.create_token(tenant.as_ref(), &name, role)?;
            terminal.tell("this is shown once; keep it where `mayfly login --token-file` finds it");
            Ok(terminal.print(token)?)
        }
        TokenCommand::List(ListTokensArgs { tenant, format }) => {
            let tokens = client.tokens(tenant.as_ref())?;
            if format.get() == Format::Json {
                return format::json(context, &tokens);
            }
            let now = Timestamp::now().as_microsecond();
            Ok(terminal.print(tokens_table(&tokens, now, terminal.out))?)
        }
        TokenCommand::Delete(DeleteTokenArgs { name, tenant }) => {
            client.delete_token(tenant.as_ref(), &name)?;
            Ok(terminal.print(format!("deleted the token {name}"))?)
        }
    }
}

fn tenants_table(tenants: &[Tenant], now: i64, palette: Palette) -> String {
    let mut table = Table::new(["TENANT", "ACCOUNT", "STATE", "MADE"]);
    for tenant in tenants {
        let state = match tenant.suspended {
            true => Cell::new(Tone::Bad, "suspended"),
            false => Cell::new(Tone::Good, "active"),
        };
        let made = time::ago(tenant.created.as_microsecond(), now);
        table.row([
            tenant.tenant.as_str().into(),
            tenant.account.as_str().into(),
            state,
            Cell::new(Tone::Faint, made),
        ]);
    }
    table.render(palette)
}

fn tokens_table(tokens: &[TokenLine], now: i64, palette: Palette) -> String {
    let mut table = Table::new(["NAME", "ROLE", "MADE"]);
    for token in tokens {
        let made = time::ago(token.created.as_microsecond(), now);
        table.row([harmless(&token.name).into(), token.role.into(), Cell::new(Tone::Faint, made)]);
    }
    table.render(palette)
}
