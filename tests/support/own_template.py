"""A template of a person's own: the smallest one there is, and the same with the years of items."""

SMALLEST = """
introduction = "Books read."
demonstration = '''
Read:
- {history}
Then:
- {answer}
'''
[title]
query = '''
Read:
- {history}
Then:
- {answer}'''
"""
WITH_YEARS = f'item = "{{title}}[ ({{year}})]"\n{SMALLEST}'


def with_section(name: str, asked: str, answer: str = "- {answer}") -> str:
    """The smallest template with this section in place of [title]. asked: lines of its question; answer: the
    line of the answer, in the demonstration and in the question."""
    shown, asking, query = SMALLEST.rpartition("Then:\n")
    text = f"{shown}{asked}{asking}{query}".replace("- {answer}", answer)
    return text.replace("[title]", f"[{name}]")
