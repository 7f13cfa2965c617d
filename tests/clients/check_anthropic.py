"""Anthropic's Python client through a running `wardgate demo`."""

import anthropic

from demo import HARMFUL, HARMLESS, KEY, URL, asked, is_answer, is_clean, is_raised

TOOL = {
    "name": "get_recipe",
    "description": "Looks up a recipe.",
    "input_schema": {"type": "object", "properties": {"dish": {"type": "string"}}},
}


def request(model, messages):
    return {"model": model, "max_tokens": 100, "messages": messages}


def plain(client):
    answer = client.messages.create(**request("demo", asked(HARMLESS)))
    is_answer(answer.content[0].text)
    assert answer.stop_reason == "end_turn", answer
    withheld = client.messages.create(**request("demo-harmful", asked(HARMLESS)))
    assert withheld.stop_reason == "refusal", withheld
    is_clean(withheld.content[0].text)


def streamed(client, model):
    with client.messages.stream(**request(model, asked(HARMLESS))) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text and final.content[0].text == text, (text, final)
    return text, final.stop_reason


def streaming(client):
    text, reason = streamed(client, "demo")
    is_answer(text)
    assert reason == "end_turn", reason
    text, reason = streamed(client, "demo-harmful")
    is_clean(text)
    assert reason == "refusal", reason


def with_result(text):
    """A conversation in which a tool was called and said this."""
    call = {"type": "tool_use", "id": "toolu_1", "name": TOOL["name"], "input": {"dish": "bread"}}
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": text}
    turns = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    return request("demo", asked(HARMLESS) + turns) | {"tools": [TOOL]}


def tools(client):
    is_answer(client.messages.create(**with_result("Flour and water.")).content[0].text)
    is_raised(anthropic.BadRequestError, lambda: client.messages.create(**with_result(HARMFUL)))


def refused(client):
    for stream in (False, True):
        harmful = request("demo", asked(HARMFUL)) | {"stream": stream}
        error = is_raised(anthropic.BadRequestError, lambda: client.messages.create(**harmful))
        assert error.body["error"]["code"] == "content_filter", error.body
        assert error.body["error"]["type"] == "invalid_request_error", error.body
        assert error.response.headers["x-wardgate-decision"] == "block"
    stranger = client.with_options(api_key="nobody").messages.create
    harmless = request("demo", asked(HARMLESS))
    is_raised(anthropic.AuthenticationError, lambda: stranger(**harmless))


def main():
    # This client adds /v1 itself.
    url = URL.removesuffix("/v1")
    client = anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=60)
    plain(client)
    streaming(client)
    tools(client)
    refused(client)
    print(f"python anthropic {anthropic.__version__}: plain, streaming, tools, blocked, cut")


main()
