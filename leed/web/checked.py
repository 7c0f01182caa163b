"""Checks of what requests bring to a page, before Gradio copies, keeps or logs any of it.

A caller's mistake is answered with one sentence: what came, and what was expected. Nothing of it reaches the log.
"""

import inspect
import math
import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote

import gradio as gr
from gradio.blocks import BlockFunction
from gradio.queueing import Queue
from gradio.state_holder import SessionState
from gradio.utils import get_function_description

from leed.web.disguise import HOST
from leed.web.logs import log_failure

MAX_SHOWN = 40  # characters of a value that a message repeats
MAX_SESSION_NAME = 64  # characters; Gradio's own names have up to 32
MAX_UNREAD = 200  # messages that wait for one session to fetch them; what a session reads is gone
FAILED = "Something went wrong on this server: please try again."
MISTAKES: ContextVar[list[str] | None] = ContextVar("MISTAKES", default=None)
"""What the caller of the request at hand got wrong; `leed.web.refusals` reads it."""

OWN_FILE = re.compile(r"https?://[^/]+(?:/.*?)?/gradio_api/file=(.+)", re.DOTALL)


class CheckedBlocks(gr.Blocks):
    """A page that answers callers' mistakes with one sentence, and explains the arguments of its API."""

    async def preprocess_data(
        self,
        block_fn: BlockFunction,
        inputs: list[Any],  # JSON
        state: SessionState | None,
        explicit_call: bool = False,
    ) -> list[Any]:
        """The arguments of an event's function. Raises `gr.Error`, which is not logged."""
        if block_fn.fn is None:
            raise mistake("This event runs in the browser: the server has nothing to call.")
        names = argument_names(block_fn)
        inputs = inputs + defaults(block_fn)[len(inputs) :] if inputs else inputs
        if len(inputs) != len(block_fn.inputs):
            raise mistake(
                f"{address(block_fn)} takes {len(block_fn.inputs)} values ({', '.join(names)}), got {len(inputs)}."
            )
        checked = [
            check(block, name, value) for block, name, value in zip(block_fn.inputs, names, inputs, strict=True)
        ]
        try:
            return await super().preprocess_data(block_fn, checked, state, explicit_call)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception:  # its text may repeat what came
            raise mistake(f"{address(block_fn)} could not read its values: {', '.join(names)}.") from None

    async def process_api(self, *arguments: Any, **options: Any) -> dict[str, Any]:  # as Gradio's own
        """As Gradio's. Raises `gr.Error` alone; what failed is logged here, by `log_failure`, and not by Gradio."""
        try:
            return await super().process_api(*arguments, **options)
        except gr.Error as error:
            if error.print_exception:
                log_failure(error.__cause__ or error)
            elif (mistakes := MISTAKES.get()) is not None:
                mistakes.append(error.message)
            error.print_exception = False
            raise
        except Exception as error:
            log_failure(error)
            raise gr.Error(FAILED, print_exception=False) from None

    async def call_function(
        self, block_fn: BlockFunction | int, processed_input: list[Any], *arguments: Any, **options: Any
    ) -> Any:
        """As Gradio's; a click must say where it was, and says nothing else. Raises `gr.Error`."""
        fn = (self.fns[block_fn] if isinstance(block_fn, int) else block_fn).fn
        clicked = fn is not None and gr.SelectData in [
            item.annotation for item in inspect.signature(fn).parameters.values()
        ]
        event_data = options.get("event_data", arguments[3] if len(arguments) > 3 else None)
        if clicked:
            data = getattr(event_data, "_data", None)
            if event_data is None or not (isinstance(data, dict) and {"index", "value"} <= data.keys()):
                raise mistake("A click must say its index and its value.")
            event_data._data = {"index": data["index"], "value": None}  # which holds paths as visitors know them
        return await super().call_function(block_fn, processed_input, *arguments, **options)

    def queue(self, *arguments: Any, **options: Any) -> "CheckedBlocks":  # those of Gradio's own
        """As Gradio's, with bounds on the names of sessions, and on the messages that nobody fetches."""
        super().queue(*arguments, **options)
        queue, push, send = self._queue, self._queue.push, self._queue.send_message

        async def push_checked(body: Any, *others: Any, **named: Any) -> Any:  # as Gradio's own
            forget_events(queue)
            if len(body.session_hash or "") > MAX_SESSION_NAME:
                return False, f"session_hash must have at most {MAX_SESSION_NAME} characters.", "error"
            return await push(body, *others, **named)

        def send_bounded(event: Any, message: Any) -> None:
            sessions = queue.pending_messages_per_session
            if event.alive and event.session_hash not in sessions:  # its visitor has left
                event.alive = False
            elif event.alive and sessions[event.session_hash].qsize() >= MAX_UNREAD:
                event.closed, event.alive = True, False
            send(event, message)  # unless the event has ended

        vars(queue).update(push=push_checked, send_message=send_bounded)
        return self

    def get_api_info(self, *arguments: Any, **options: Any) -> Any:  # as Gradio's own
        """What the API takes, with what the functions' docstrings say of each argument, and examples that run.

        Gradio's example of a picture is in the internet, from where the page fetches nothing; here it is one of the
        page's own.
        """
        info = super().get_api_info(*arguments, **options)
        functions = {f"/{fn.api_name}": fn.fn for fn in self.fns.values() if fn.fn}
        endpoints = info["named_endpoints"]
        example = self._example_file([item for endpoint in endpoints.values() for item in endpoint["parameters"]])
        for name, endpoint in endpoints.items():
            _, descriptions, _ = get_function_description(functions[name])
            for parameter in endpoint["parameters"]:
                if isinstance(parameter["example_input"], dict) and example is not None:
                    parameter["example_input"] = example
                    if parameter["parameter_default"] is not None:
                        # What the page shows first is no default: clients would look for its file on their own disk.
                        parameter.update(parameter_has_default=False, parameter_default=None)
                description = descriptions.get(parameter["parameter_name"], "")
                parameter["python_type"]["description"] = description
                parameter["type"] = {**parameter["type"], "description": description}
        return info

    def _example_file(self, parameters: list[Any]) -> dict[str, Any] | None:
        """The first file that the page shows in one of these inputs, by its whole address (`leed.web.disguise`)."""
        for parameter in parameters:
            default = parameter["parameter_default"]
            if isinstance(default, dict) and (default.get("url") or "").startswith("/"):
                return {**default, "url": f"http://{HOST}{default['url']}"}
        return None


def forget_events(queue: Queue) -> None:
    """Forgets the names of events whose sessions Gradio has forgotten: calls of which nobody fetched the answer."""
    names, sessions = queue.pending_event_ids_session, queue.pending_messages_per_session
    if len(names) > 2 * sessions.max_size:
        for session in names.keys() - sessions.keys():
            del names[session]


def mistake(sentence: str) -> gr.Error:
    """An error that the caller made: shown, not logged."""
    return gr.Error(sentence, print_exception=False)


def parameters(block_fn: BlockFunction) -> list[inspect.Parameter]:
    """The parameters of an event's function but for its `gr.Progress`, which Gradio gives it."""
    found = inspect.signature(block_fn.fn).parameters.values() if block_fn.fn else ()
    return [parameter for parameter in found if not isinstance(parameter.default, gr.Progress)]


def argument_names(block_fn: BlockFunction) -> list[str]:
    """The names of an event's arguments."""
    names = [parameter.name for parameter in parameters(block_fn)]
    labels = [getattr(block, "label", None) or f"value {i + 1}" for i, block in enumerate(block_fn.inputs)]
    return names[: len(labels)] + labels[len(names) :]


def defaults(block_fn: BlockFunction) -> list[Any]:
    """The values of an event's arguments when a call gives none of them; an empty list if its function has none."""
    values = [parameter.default for parameter in parameters(block_fn)]
    required = len(values) != len(block_fn.inputs) or inspect.Parameter.empty in values[1:]
    return [] if required else values


def address(block_fn: BlockFunction) -> str:
    """How the API calls an event."""
    return f"/{block_fn.api_name}" if block_fn.api_name else "This event"


def shown(value: object) -> str:
    """A value that came, as a message repeats it: short, and no text of a visitor's but for a word."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**9:
        return "a number of more than 9 digits"
    if isinstance(value, (int, float)):
        return f"{value:.10g}"
    if isinstance(value, str):
        plain = re.fullmatch(rf"[\w .,+-]{{1,{MAX_SHOWN}}}", value, re.ASCII)
        return f'the text "{value}"' if plain else f"a text of {len(value)} characters"
    return "a list" if isinstance(value, list) else "an object"


def check(block: Any, name: str, value: Any) -> Any:
    """A value as the block may have it. Raises `gr.Error`."""
    own: Callable[[str, Any], Any] | None = getattr(block, "check", None)
    if own is not None:
        return own(name, value)
    if isinstance(block, gr.Slider):
        return check_number(name, value, block.minimum, block.maximum)
    if isinstance(block, gr.Number):
        return check_whole(name, value) if block.precision == 0 else check_number(name, value)
    if isinstance(block, gr.Checkbox):
        check_truth(name, value)
    if isinstance(block, gr.Radio):
        check_one_of(name, value, [choice[1] for choice in block.choices])
    if isinstance(value, dict) and "path" in value and not isinstance(block, gr.Image | gr.File | gr.Gallery):
        raise mistake(f"{name} must not be a file.")
    return value


def check_one_of(name: str, value: Any, values: Sequence[Any]) -> Any:
    """One of several texts or numbers. Raises `gr.Error`."""
    if not isinstance(value, (str, int, float)) or value not in values:
        raise mistake(f"{name} must be one of {', '.join(map(str, values))}, got {shown(value)}.")
    return value


def check_truth(name: str, value: Any) -> bool:
    """True or false. Raises `gr.Error`."""
    if not isinstance(value, bool):
        raise mistake(f"{name} must be true or false, got {shown(value)}.")
    return value


def is_number(value: object) -> bool:
    """Whether a value of JSON is a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 10**15 if isinstance(value, int) else math.isfinite(value)


def check_number(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> float:
    """A number from `least` to `most`. Raises `gr.Error`."""
    if not is_number(value) or not least <= value <= most:
        bounds = f" from {least:g} to {most:g}" if math.isfinite(most) else ""
        raise mistake(f"{name} must be a number{bounds}, got {shown(value)}.")
    return value


def check_whole(name: str, value: Any) -> int:
    """A whole number; the function that takes it knows its bounds. Raises `gr.Error`."""
    if not is_number(value) or value != int(value) or abs(value) >= 10**9:
        raise mistake(f"{name} must be a whole number, got {shown(value)}.")
    return int(value)


def own_file(path: str) -> str:
    """The path of a file of this server's, if an URL of the page's own names it; nothing is fetched."""
    match = OWN_FILE.fullmatch(path)
    return unquote(match[1]) if match else path
