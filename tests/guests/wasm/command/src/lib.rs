//! A program of the command line: a component, but of another world.

struct Command;

wasip2::cli::command::export!(Command);

impl wasip2::exports::cli::run::Guest for Command {
    fn run() -> Result<(), ()> {
        println!("hello from a command");
        Ok(())
    }
}
