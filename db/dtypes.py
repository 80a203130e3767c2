"""Names of number formats as people spell them."""

# How else people spell a dtype, without "torch." and in small letters.
_SPELLED = {
    "fp32": "float32",
    "f32": "float32",
    "float": "float32",
    "bf16": "bfloat16",
    "fp16": "float16",
    "f16": "float16",
    "half": "float16",
    "fp64": "float64",
    "f64": "float64",
    "double": "float64",
}


def plain_dtype(name: str) -> str:
    """PyTorch's own name of a dtype: torch.float16, FP16 and half are float16. Others stay as they are."""
    plain = name.strip().lower().removeprefix("torch.")
    return _SPELLED.get(plain, plain)
