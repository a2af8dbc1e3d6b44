"""Blocks of real networks: the sequences of operators that converters and runtimes look for, fuse and fold."""

from __future__ import annotations

from typing import Any

from graphfuzz.spec import INDICES, Net, Pattern, pattern, tensor

IMAGE = tensor("x", rank=4)
SEQUENCE = tensor("x", rank=3)
ACTIVATION = "relu | relu6 | leaky_relu | elu | silu | hard_silu | gelu | mish | tanh"
NORM = "layer_norm | rms_norm"
NORM2D = "batch_norm | batch_norm_plain | instance_norm"
CONVOLUTION = "conv2d | padded_conv2d | grouped_conv2d"
DEPTHWISE = "depthwise_conv2d | grouped_conv2d"
UPSAMPLING = "interpolate2d | interpolate2d_by_factor | resize_image | upsample2d_layer | conv_transpose2d"
POOLING = "max_pool2d | average_pool2d"


@pattern(IMAGE)
def convolution_norm_activation(net: Net, x: Any) -> Any:
    """A convolution whose norm and activation are folded into it (Ioffe, Szegedy, 2015)."""
    return net(ACTIVATION, net(NORM2D, net(CONVOLUTION, x)))


@pattern(IMAGE)
def residual_block(net: Net, x: Any) -> Any:
    """Two normalized convolutions, and a sum with what went in (He et al., 2015)."""
    inner = net("relu", net(NORM2D, net(CONVOLUTION, x, like=x)))
    return net("relu", net("add", net(NORM2D, net(CONVOLUTION, inner, like=x)), x))


@pattern(IMAGE)
def preactivated_block(net: Net, x: Any) -> Any:
    """The residual block with norm and activation before each convolution (He et al., 2016)."""
    inner = net(CONVOLUTION, net("relu", net(NORM2D, x)), like=x)
    return net("add", x, net(CONVOLUTION, net("relu", net(NORM2D, inner)), like=x))


@pattern(IMAGE)
def projected_shortcut(net: Net, x: Any) -> Any:
    """A residual block whose shortcut is a convolution, too, as sizes change (He et al., 2015)."""
    inner = net(NORM2D, net(CONVOLUTION, net("relu", net(CONVOLUTION, x, like=x))))
    return net("relu", net("add", inner, net(NORM2D, net(CONVOLUTION, x, like=inner))))


@pattern(IMAGE)
def inverted_bottleneck(net: Net, x: Any) -> Any:
    """More channels, a convolution of each, fewer channels, and a sum (Sandler et al., MobileNetV2, 2018)."""
    wide = net("relu6", net(NORM2D, net("conv2d", x)))
    deep = net("relu6", net(NORM2D, net(DEPTHWISE, wide, like=wide)))
    return net("add", x, net(NORM2D, net("conv2d", deep, like=x)))


@pattern(IMAGE)
def squeeze_excite(net: Net, x: Any) -> Any:
    """Each channel scaled by what all positions say of it (Hu et al., 2017)."""
    squeezed = net("mean | max", x, axes=(2, 3), keepdims=True)
    inner = net("relu | silu", net("conv2d", squeezed))
    return net("multiply", x, net("sigmoid | hard_sigmoid", net("conv2d", inner, like=squeezed)))


@pattern(IMAGE)
def dense_block(net: Net, x: Any) -> Any:
    """Each layer gets what all before it made (Huang et al., DenseNet, 2016)."""
    for _ in range(net.rng.randint(2, 3)):
        x = net("concat", x, net(CONVOLUTION, net("relu", net(NORM2D, x)), like=x), axis=1)
    return x


@pattern(IMAGE)
def inception_block(net: Net, x: Any) -> Any:
    """Convolutions and a pooling side by side, joined by channels (Szegedy et al., 2014)."""
    branches = [net("relu", net("conv2d", x, like=x)), net(POOLING, x, like=x), net("conv2d", x, like=x)]
    return net("concat", *net.rng.sample(branches, net.rng.randint(2, 3)), axis=1)


@pattern(IMAGE)
def unet_skip(net: Net, x: Any) -> Any:
    """Down, a convolution, up again, and joined with what was before (Ronneberger et al., 2015)."""
    low = net(POOLING, x)
    low = net("relu", net("conv2d", low, like=low))
    return net("conv2d", net("concat", x, net(UPSAMPLING, low, like=x), axis=1))


@pattern(IMAGE)
def pyramid_merge(net: Net, x: Any) -> Any:
    """A coarse map enlarged and added to a fine one (Lin et al., feature pyramids, 2016)."""
    coarse = net(POOLING, net("relu", net("conv2d", x, like=x)))
    return net("add", net(UPSAMPLING, coarse, like=x), net("conv2d", x, like=x))


@pattern(IMAGE)
def channel_shuffle_unit(net: Net, x: Any) -> Any:
    """Halves of the channels, one of them convolved, dealt out in turn (Ma et al., ShuffleNet V2, 2018)."""
    n, channels, *size = x.shape
    net.require(channels % 2 == 0, "the channels have halves")
    kept, half = net("split", x, axis=1, sections=(channels // 2, channels // 2))
    joined = net("concat", kept, net("relu", net("conv2d", half, like=half)), axis=1)
    dealt = net("transpose", net("reshape", joined, shape=(n, 2, channels // 2, *size)), order=(0, 2, 1, 3, 4))
    return net("reshape", dealt, shape=x.shape)


@pattern(IMAGE)
def convnext_block(net: Net, x: Any) -> Any:
    """A convolution of each channel, then a perceptron of two layers on the last axis (Liu et al., 2022)."""
    last = net("transpose", net(DEPTHWISE, x, like=x), order=(0, 2, 3, 1))
    wide = net("gelu", net("linear | dense", net("layer_norm", last, like=last)))
    return net("add", x, net("transpose", net("linear | dense", wide, like=last), order=(0, 3, 1, 2)))


@pattern(IMAGE)
def classifier_head(net: Net, x: Any) -> Any:
    """The mean of all positions, and the shares of classes."""
    pooled = net("mean", x, axes=(2, 3), keepdims=False)
    return net("softmax | log_softmax", net("linear | dense", net("dropout | identity_layer", pooled)), axis=-1)


@pattern(IMAGE)
def flattened_head(net: Net, x: Any) -> Any:
    """A pooled image as one row, and two dense layers (LeCun et al., 1998)."""
    flat = net("flatten_rows", net(POOLING, x))
    return net("linear | dense", net(ACTIVATION, net("linear | dense", flat)))


def _split_heads(net: Net, x: Any, heads: int) -> Any:
    batch, tokens, features = x.shape
    return net("transpose", net("reshape", x, shape=(batch, tokens, heads, features // heads)), order=(0, 2, 1, 3))


def _attended(net: Net, x: Any, source: Any) -> Any:
    """What the tokens of x take from those of the source, by attention as one operator or as its parts."""
    heads = net.rng.choice([h for h in (1, 2, 3, 4) if x.shape[-1] % h == 0])
    query = _split_heads(net, net("linear", x, like=x), heads)
    key, value = (_split_heads(net, net("linear", source, like=source), heads) for _ in range(2))
    if net.rng.random() < 0.5:
        mixed = net("attention", query, key, value)
    else:
        scores = net("matmul", query, net("transpose", key, order=(0, 1, 3, 2)))
        mixed = net("matmul", net("softmax", net("multiply_number | divide_by", scores), axis=-1), value)
    return net("linear", net("reshape", net("transpose", mixed, order=(0, 2, 1, 3)), shape=x.shape), like=x)


@pattern(SEQUENCE)
def transformer_block(net: Net, x: Any) -> Any:
    """Self-attention and a perceptron, each normalized and added to what went in (Vaswani et al., 2017)."""
    normed = net(NORM, x)
    inner = net("add", x, _attended(net, normed, normed))
    return net("add", inner, net("linear", net("gelu | relu", net("linear", net(NORM, inner))), like=x))


@pattern(SEQUENCE, tensor("memory", rank=3))
def cross_attention(net: Net, x: Any, memory: Any) -> Any:
    """What a decoder takes from an encoder's tokens, added and normalized (Vaswani et al., 2017)."""
    net.require(x.shape[0] == memory.shape[0] and x.shape[2] == memory.shape[2], "batch and features are the same")
    return net("layer_norm", net("add", x, _attended(net, x, memory)))


@pattern(SEQUENCE)
def gated_perceptron(net: Net, x: Any) -> Any:
    """A layer times the activation of another one (Shazeer, SwiGLU, 2020)."""
    gate = net("linear", x)
    return net("linear", net("multiply", net("silu | gelu | sigmoid", gate), net("linear", x, like=gate)), like=x)


@pattern(SEQUENCE)
def mixer_block(net: Net, x: Any) -> Any:
    """Perceptrons across tokens and across features in turn (Tolstikhin et al., MLP-Mixer, 2021)."""
    turned = net("transpose", net("layer_norm", x), order=(0, 2, 1))
    mixed = net("linear", net("gelu", net("linear", turned)), like=turned)
    inner = net("add", x, net("transpose", mixed, order=(0, 2, 1)))
    return net("add", inner, net("linear", net("gelu", net("linear", net("layer_norm", inner))), like=x))


@pattern(SEQUENCE)
def recurrent_head(net: Net, x: Any) -> Any:
    """The last state of a recurrent layer, and a dense layer (Hochreiter, Schmidhuber, 1997)."""
    last = net("lstm | gru", x, sequences=False)
    return net("softmax", net("linear | dense", last), axis=-1)


@pattern(SEQUENCE)
def stacked_recurrence(net: Net, x: Any) -> Any:
    """A recurrent layer on every step of another."""
    return net("lstm | gru", net("lstm | gru", x, sequences=True), sequences=True)


@pattern(SEQUENCE)
def text_convolution(net: Net, x: Any) -> Any:
    """Convolutions along a text, the largest of each, joined (Kim, 2014)."""
    found = [net("max", net("relu", net("conv1d", x)), axes=(2,), keepdims=False) for _ in range(2)]
    return net("linear", net("concat", *found, axis=1))


@pattern(tensor("ids", rank=2, domain=(0, 2)), dtypes=INDICES)
def embedded_tokens(net: Net, ids: Any) -> Any:
    """Tokens' embeddings of two kinds, added and normalized (Devlin et al., BERT, 2018)."""
    tokens = net("embedding", ids)
    return net("layer_norm", net("add", tokens, net("embedding", ids, like=tokens)))


PATTERNS: list[Pattern] = [
    convolution_norm_activation,
    residual_block,
    preactivated_block,
    projected_shortcut,
    inverted_bottleneck,
    squeeze_excite,
    dense_block,
    inception_block,
    unet_skip,
    pyramid_merge,
    channel_shuffle_unit,
    convnext_block,
    classifier_head,
    flattened_head,
    transformer_block,
    cross_attention,
    gated_perceptron,
    mixer_block,
    recurrent_head,
    stacked_recurrence,
    text_convolution,
    embedded_tokens,
]
