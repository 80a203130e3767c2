"""The text of every single token of a prompt, so that the texts of a piece joined are the piece."""

from collections.abc import Sequence

from engine.prompts.encode import PieceEncoder
from engine.prompts.segments import Segment

PARTIAL = "\ufffd"  # what a decoder writes for bytes that are no whole character yet


def token_texts(encoder: PieceEncoder, segment: Segment) -> list[str]:
    """One text per token of the segment, "" for a token whose character ends only in a later one.

    Joined they are the segment as the model is shown it. Where a tokenizer does not keep a text as it is
    (one without white space), the tokens' own texts, a blank between two of them.
    """
    return [text for piece in segment.pieces for text in _of_piece(encoder, piece)]


def _of_piece(encoder: PieceEncoder, piece: str) -> list[str]:
    ids, whole = encoder.ids(piece), encoder.text([Segment("query", 0, (piece,))])
    texts, done = [], ""
    for stop in range(1, len(ids) + 1):
        decoded = _decoded(encoder, ids[:stop])
        if decoded.endswith(PARTIAL) and not whole.startswith(decoded) and stop < len(ids):
            texts.append("")
            continue
        grows = decoded.startswith(done)
        texts.append(decoded[len(done) :] if grows else _decoded(encoder, ids[stop - 1 : stop]))
        done = decoded
    joined = "".join(texts)
    lost = whole.removesuffix(joined)
    if texts and joined and whole.endswith(joined) and not lost.strip():
        return [lost + texts[0], *texts[1:]]  # decoders that drop the blank before a text
    if "".join(joined.split()).endswith("".join(whole.split())):  # an opening <s> is a token, and no text
        return texts
    return [_decoded(encoder, (token,)) + " " * (place + 1 < len(ids)) for place, token in enumerate(ids)]


def _decoded(encoder: PieceEncoder, ids: Sequence[int]) -> str:
    return str(
        encoder.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    )
