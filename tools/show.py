"""How a conversation looks: the client and its server side by side, and the table at the end."""

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from run import TEXT
from words import _, language

console = Console(highlight=False)


def colour(conversation):
    return "green" if conversation.is_right else "red"


def model(chapter):
    return chapter.model_zh if language() == "zh" else chapter.model


def conversation(told):
    """One chapter: what was typed and printed to the left, what the server said to the right."""
    client = Text("".join(f"> {line}\n" for line in TEXT.splitlines()), "cyan")
    client.append("".join(f"< {line}\n" for line in told.reply.splitlines()), colour(told))
    client.append(told.client_says, "red")
    client.rstrip()
    sides = Table.grid(expand=True, padding=(0, 2))
    sides.add_column(ratio=2)
    sides.add_column(ratio=3)
    sides.add_row(Text(told.client_command, "dim"), Text(told.server_command, "dim"))
    sides.add_row(client, Text(told.server_says.rstrip()))
    title = Text.assemble((told.chapter.name, "bold"), f"  {model(told.chapter)}")
    console.print(Panel(sides, title=title, title_align="left", border_style=colour(told)))


def table(conversations):
    result = Table(box=None, padding=(0, 1 if console.width < 90 else 3), pad_edge=False, collapse_padding=True,
                   header_style="dim")
    headings = (_("chapter"), _("model"), _("sent"), _("came back"), _("time"), _("verdict"))
    for heading in headings:
        result.add_column(heading, justify="right" if heading == _("time") else "left")
    for told in conversations:
        result.add_row(told.chapter.name, model(told.chapter), Text(TEXT.rstrip()), Text(told.reply.rstrip()),
                       f"{told.seconds * 1000:.0f} ms", Text(told.verdict, colour(told)))
    console.print()
    console.print(result)
