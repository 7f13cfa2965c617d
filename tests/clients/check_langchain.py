"""langchain-openai through a running `wardgate demo`."""

import importlib.metadata

import openai
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from demo import HARMFUL, HARMLESS, KEY, URL, is_answer, is_clean, is_raised


@tool
def get_recipe(dish: str) -> str:
    """Looks up a recipe."""
    return f"Flour and water, for {dish}."


def model(name, **further):
    return ChatOpenAI(model=name, base_url=URL, api_key=KEY, max_retries=0, timeout=60, **further)


def conversing(**api):
    """What is withheld, and the chunks of what is cut."""
    demo, harmful = model("demo", **api), model("demo-harmful", **api)
    is_answer(demo.invoke(HARMLESS).text)
    is_answer("".join(chunk.text for chunk in demo.stream(HARMLESS)))
    withheld, cut = harmful.invoke(HARMLESS), list(harmful.stream(HARMLESS))
    text = "".join(chunk.text for chunk in cut)
    assert text, cut
    is_clean(withheld.text)
    is_clean(text)
    return withheld, cut


def chat():
    withheld, cut = conversing()
    assert withheld.response_metadata["finish_reason"] == "content_filter", withheld
    reasons = [chunk.response_metadata.get("finish_reason") for chunk in cut]
    assert "content_filter" in reasons, reasons


def responses():
    withheld, _ = conversing(use_responses_api=True, store=False)
    details = withheld.response_metadata["incomplete_details"]
    assert details["reason"] == "content_filter", withheld


def tools():
    bound = model("demo").bind_tools([get_recipe])
    call = {"type": "tool_call", "id": "call_1", "name": "get_recipe", "args": {"dish": "bread"}}
    asked = [("user", HARMLESS), AIMessage("", tool_calls=[call])]
    is_answer(bound.invoke([*asked, get_recipe.invoke(call)]).text)
    harmful = ToolMessage(HARMFUL, tool_call_id="call_1")
    is_raised(openai.BadRequestError, lambda: bound.invoke([*asked, harmful]))


def refused():
    demo = model("demo")
    for ask in (lambda: demo.invoke(HARMFUL), lambda: list(demo.stream(HARMFUL))):
        assert is_raised(openai.BadRequestError, ask).code == "content_filter"


def main():
    chat()
    responses()
    tools()
    refused()
    version = importlib.metadata.version("langchain-openai")
    print(f"langchain-openai {version}: chat and responses, plain, streaming, tools, blocked, cut")


main()
