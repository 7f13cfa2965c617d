"""OpenAI's Python client through a running `wardgate demo`."""

import asyncio

import openai
from openai.types.moderation import Categories, CategoryScores

from demo import HARMFUL, HARMLESS, KEY, URL, asked, is_answer, is_clean, is_raised


def text_and_end(chunks):
    """What a stream says, and why it ended."""
    text, reason = "", None
    for chunk in chunks:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reason = choice.finish_reason or reason
    return text, reason


def is_refusal(error):
    assert error.status_code == 400 and error.code == "content_filter", error
    assert error.body["innererror"]["code"] == "ResponsibleAIPolicyViolation", error.body
    assert error.response.headers["x-wardgate-decision"] == "block"
    assert "pipe bomb" not in str(error)


def plain(client):
    ask = client.chat.completions.create
    answer = ask(model="demo", messages=asked(HARMLESS))
    is_answer(answer.choices[0].message.content)
    assert answer.choices[0].finish_reason == "stop"
    raw = client.chat.completions.with_raw_response.create(model="demo", messages=asked(HARMLESS))
    assert raw.headers["x-wardgate-decision"] == "allow" and raw.headers["x-wardgate-exchange"]

    withheld = ask(model="demo-harmful", messages=asked(HARMLESS)).choices[0]
    assert withheld.finish_reason == "content_filter", withheld
    is_clean(withheld.message.content)
    assert {model.id for model in client.models.list()} == {"demo", "demo-harmful"}


def streaming(client):
    ask = client.chat.completions.create
    text, reason = text_and_end(ask(model="demo", messages=asked(HARMLESS), stream=True))
    is_answer(text)
    assert reason == "stop", reason
    text, reason = text_and_end(ask(model="demo-harmful", messages=asked(HARMLESS), stream=True))
    assert text and reason == "content_filter", (text, reason)
    is_clean(text)


def moderation(client):
    results = client.moderations.create(input=[HARMLESS, HARMFUL]).results
    assert [result.flagged for result in results] == [False, True], results
    for result in results:
        # The client sets no attribute for a key that was not sent.
        for name in Categories.model_fields:
            assert isinstance(getattr(result.categories, name), bool), (name, result)
        for name in CategoryScores.model_fields:
            assert 0 <= getattr(result.category_scores, name) <= 1, (name, result)
    [harmless, harmful] = (result.category_scores.violence for result in results)
    assert harmless < harmful, results


def refused(client):
    ask = client.chat.completions.create
    for stream in (False, True):
        harmful = {"model": "demo", "messages": asked(HARMFUL), "stream": stream}
        is_refusal(is_raised(openai.BadRequestError, lambda: ask(**harmful)))
    stranger = client.with_options(api_key="nobody").chat.completions.create
    harmless = {"model": "no-such-model", "messages": asked(HARMLESS)}
    is_raised(openai.AuthenticationError, lambda: stranger(**harmless))
    is_raised(openai.NotFoundError, lambda: ask(**harmless))
    unguarded = lambda: client.images.generate(model="demo", prompt=HARMLESS)
    assert is_raised(openai.NotFoundError, unguarded).code == "route_not_guarded"


async def at_once():
    """Many exchanges at a time, harmless and harmful mixed, each with its own end."""
    async with openai.AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0) as client:

        async def one(number):
            messages = asked(HARMFUL if number % 3 == 0 else HARMLESS)
            try:
                stream = await client.chat.completions.create(
                    model="demo", messages=messages, stream=True
                )
                text, reason = text_and_end([chunk async for chunk in stream])
                assert number % 3 and reason == "stop", number
                is_answer(text)
            except openai.BadRequestError as error:
                assert number % 3 == 0, number
                is_refusal(error)

        await asyncio.gather(*(one(number) for number in range(24)))


def main():
    client = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=60)
    plain(client)
    streaming(client)
    moderation(client)
    refused(client)
    asyncio.run(at_once())
    done = "plain, streaming, blocked, cut, moderation, 24 at once"
    print(f"python openai {openai.__version__}: {done}")


main()
