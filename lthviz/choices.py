"""What may be chosen of networks, images and changes to them: names, each with what it is in words."""

from __future__ import annotations

MODELS = {
    "convnet": "four convolutions for 8×8 images, 128 channels wide so that groups form",
    "resnet8": "ResNet-8, 64 to 256 channels wide (1.23 M parameters); in ImageNet form for CIFAR-10 without a GPU",
    "resnet20": "ResNet-20 (0.27 M parameters)",
    "wrn32_2": "WRN-32-2: ResNet-32 twice as wide (1.86 M parameters)",
    "resnet18": "ResNet-18 (11.2 M parameters)",
    "resnet50": "ResNet-50, bottleneck blocks (25.6 M parameters on ImageNet)",
    "vgg16": "VGG-16 with batch normalisation (14.7 M parameters)",
    "mobilenet_v1": "MobileNet-v1, depthwise separable (3.2 M parameters)",
}
LIBRARY_MODELS = r"(torchvision|timm):[A-Za-z0-9_][A-Za-z0-9_.-]*"
"""What names a convolutional classifier of another library: `torchvision:mobilenet_v3_small`, `timm:resnet26`."""
FORMS = {
    "auto": "by the images: cifar below 48 pixels, tiny below 112, else imagenet",
    "cifar": "3×3 stem, no pooling behind it",
    "tiny": "for 64×64: the same 3×3 stem without pooling, which is what the released ResNet builds there",
    "imagenet": "7×7 stem of stride 2 and max pooling (MobileNet: 3×3 of stride 2; VGG: three linear layers), as in torchvision",
}
LINEAR = {
    "none": "never: convolutions only (the paper)", "hidden": "all but the classifier", "all": "all, the classifier's weights unstructured",
}
DATASETS = {
    "digits": "scikit-learn's handwritten digits, 1,797 images of 8×8, no download",
    "cifar10": "CIFAR-10 through torchvision: a folder already there, or its own download",
    "cifar100": "CIFAR-100, likewise",
    "fashion-mnist": "Fashion-MNIST, 28×28 grey, likewise",
    "tiny-imagenet": "Tiny-ImageNet, 200 classes of 64×64, as it is unpacked; its labelled val/ is the test set",
    "imagenet": "ImageNet as it is published, train/ and val/, read while it trains, at 224×224; val/ is the test set",
    "folder": "any torchvision ImageFolder tree with train/ and test/, held in memory",
    "streamed-folder": "any such tree, read while it trains, at 224×224",
}
OWN_IMAGES = frozenset({"folder", "streamed-folder"})
"""Data sets that no name identifies: which images they are, `data_dir` says."""
AUGMENTS = {
    "none": "none",
    "shift": "random shifts of one pixel in eight, zeros around",
    "crop-flip": "such shifts and horizontal flips: of 32 pixels a crop with padding 4, of 64 one with padding 8",
    "rotate-flip": "rotations up to 20 degrees each way and horizontal flips",
    "resized-crop": "8 to 100 % of the image's area, scaled to its size, and horizontal flips",
}
