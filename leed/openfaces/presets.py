"""Expressions as blendshape weights, after FACS, and parts of faces for free expressions.

A name without _L or _R stands for both sides; "left" is the person's.
"""

from collections.abc import Mapping

import numpy as np

from leed.openfaces.arrays import Floats

BLENDSHAPES = tuple(
    """
    browDown_L browDown_R browInnerUp_L browInnerUp_R browOuterUp_L browOuterUp_R cheekPuff_L cheekPuff_R
    cheekSquint_L cheekSquint_R eyeBlink_L eyeBlink_R eyeLookDown_L eyeLookDown_R eyeLookIn_L eyeLookIn_R
    eyeLookOut_L eyeLookOut_R eyeLookUp_L eyeLookUp_R eyeSquint_L eyeSquint_R eyeWide_L eyeWide_R jawForward
    jawLeft jawOpen jawRight mouthClose mouthDimple_L mouthDimple_R mouthFrown_L mouthFrown_R mouthFunnel
    mouthLeft mouthLowerDown_L mouthLowerDown_R mouthPress_L mouthPress_R mouthPucker mouthRight
    mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmile_L mouthSmile_R mouthStretch_L
    mouthStretch_R mouthUpperUp_L mouthUpperUp_R noseSneer_L noseSneer_R
    """.split()
)
"""The names of the face model's expressions, in their order."""

PRESETS: dict[str, tuple[dict[str, float], ...]] = {
    "neutral": ({},),
    "happy": (  # AU6+12(+25)
        dict(mouthSmile=0.8, cheekSquint=0.65, eyeSquint=0.4, mouthDimple=0.12),
        dict(
            mouthSmile=0.85,
            cheekSquint=0.7,
            eyeSquint=0.45,
            mouthUpperUp=0.45,
            mouthLowerDown=0.3,
            jawOpen=0.08,
            mouthStretch=0.1,
        ),
        dict(
            mouthSmile=0.95,
            cheekSquint=0.8,
            eyeSquint=0.5,
            mouthUpperUp=0.4,
            mouthLowerDown=0.35,
            jawOpen=0.2,
            browInnerUp=0.1,
            browOuterUp=0.1,
        ),
    ),
    "sad": (  # AU1+4+15+17
        dict(browInnerUp=1.0, browDown=0.3, mouthFrown=0.9, mouthShrugLower=0.5, eyeSquint=0.2, eyeBlink=0.1),
        dict(
            browInnerUp=0.95,
            browDown=0.2,
            mouthFrown=0.75,
            mouthPucker=0.15,
            mouthShrugLower=0.35,
            eyeLookDown=0.15,
            eyeBlink=0.14,
        ),
        dict(
            browInnerUp=1.0,
            browDown=0.35,
            mouthFrown=0.9,
            mouthShrugLower=0.6,
            mouthShrugUpper=0.2,
            cheekSquint=0.2,
            eyeSquint=0.3,
        ),
    ),
    "angry": (  # AU4+5+7+23/24 (closed), or +10+25 (bared)
        dict(
            browDown=1.45,
            eyeSquint=0.5,
            eyeWide=0.25,
            mouthPress=0.8,
            mouthRollLower=0.45,
            mouthRollUpper=0.35,
            noseSneer=0.4,
            mouthFrown=0.45,
        ),
        dict(
            browDown=1.45,
            eyeWide=0.45,
            noseSneer=0.6,
            mouthUpperUp=0.35,
            mouthLowerDown=0.65,
            jawOpen=0.08,
            mouthStretch=0.35,
            mouthFunnel=0.25,
        ),
        dict(
            browDown=1.5,
            eyeWide=0.4,
            eyeSquint=0.35,
            mouthPucker=0.35,
            mouthShrugLower=0.45,
            mouthRollLower=0.3,
            noseSneer=0.5,
            jawForward=0.35,
            mouthFrown=0.45,
        ),
    ),
    "fearful": (  # AU1+2+4+5+20+26
        dict(
            browInnerUp=1.0,
            browOuterUp=0.4,
            browDown=0.3,
            eyeWide=0.95,
            mouthStretch=0.75,
            jawOpen=0.2,
            mouthLowerDown=0.4,
            mouthUpperUp=0.1,
        ),
        dict(
            browInnerUp=1.0,
            browOuterUp=0.3,
            browDown=0.3,
            eyeWide=1.0,
            mouthStretch=0.9,
            jawOpen=0.1,
            mouthLowerDown=0.45,
            mouthFrown=0.2,
        ),
        dict(
            browInnerUp=1.0,
            browOuterUp=0.5,
            browDown=0.35,
            eyeWide=1.0,
            mouthStretch=0.8,
            jawOpen=0.32,
            mouthLowerDown=0.35,
            mouthUpperUp=0.2,
        ),
    ),
    "disgusted": (  # AU9+10+17
        dict(
            noseSneer=0.85,
            mouthUpperUp=0.08,
            browDown=0.5,
            cheekSquint=0.45,
            eyeSquint=0.6,
            mouthShrugLower=0.85,
            mouthShrugUpper=0.3,
            mouthFrown=0.5,
        ),
        dict(
            noseSneer=1.0,
            mouthUpperUp=0.5,
            browDown=0.45,
            cheekSquint=0.4,
            eyeSquint=0.6,
            mouthLowerDown=0.22,
            mouthFrown=0.5,
            mouthShrugLower=0.3,
            jawOpen=0.04,
        ),
        dict(
            noseSneer=1.0,
            mouthUpperUp=0.4,
            browDown=0.4,
            cheekSquint=0.45,
            eyeSquint=0.65,
            mouthLowerDown=0.15,
            jawOpen=0.09,
            mouthFrown=0.55,
        ),
    ),
    "surprised": (  # AU1+2+5+26/27
        dict(browInnerUp=0.95, browOuterUp=0.95, eyeWide=0.9, jawOpen=0.5, mouthFunnel=0.15, mouthUpperUp=0.12),
        dict(browInnerUp=0.95, browOuterUp=0.95, eyeWide=0.85, jawOpen=0.32, mouthUpperUp=0.08),
        dict(browInnerUp=1.0, browOuterUp=1.0, eyeWide=1.0, jawOpen=0.62, mouthLowerDown=0.15, mouthUpperUp=0.1),
    ),
    "contemptuous": (  # AU12+14 on one side
        dict(
            mouthSmile_L=0.7,
            mouthDimple_L=0.75,
            mouthPress_L=0.35,
            cheekSquint_L=0.35,
            eyeSquint=0.18,
            mouthUpperUp_L=0.12,
        ),
        dict(
            mouthSmile_R=0.7,
            mouthDimple_R=0.75,
            mouthPress_R=0.35,
            cheekSquint_R=0.35,
            eyeSquint=0.18,
            mouthUpperUp_R=0.12,
        ),
        dict(
            mouthSmile_L=0.6,
            mouthDimple_L=0.8,
            mouthUpperUp_L=0.3,
            cheekSquint_L=0.35,
            eyeSquint=0.22,
            browOuterUp_R=0.3,
            mouthShrugLower=0.15,
        ),
    ),
}
"""Three variants of each expression, and the neutral face; the order is that of the labels."""

FREE_EXPRESSIONS: dict[str, dict[str, float]] = {
    "blink": dict(eyeBlink=1.0),
    "wink_left": dict(eyeBlink_L=1.0, cheekSquint_L=0.5, mouthSmile_L=0.35, mouthSmile_R=0.15, browDown_L=0.2),
    "wink_right": dict(eyeBlink_R=1.0, cheekSquint_R=0.5, mouthSmile_R=0.35, mouthSmile_L=0.15, browDown_R=0.2),
    "kiss": dict(mouthPucker=1.0, mouthFunnel=0.35),
    "laugh": dict(mouthSmile=0.95, cheekSquint=0.9, eyeSquint=0.7, mouthUpperUp=0.5, mouthLowerDown=0.4, jawOpen=0.5),
    "ah": dict(jawOpen=0.45, mouthLowerDown=0.25, mouthUpperUp=0.15),
    "oh": dict(mouthFunnel=0.75, jawOpen=0.25, mouthPucker=0.35),
    "ee": dict(mouthStretch=0.6, mouthSmile=0.2, mouthLowerDown=0.4, mouthUpperUp=0.2, jawOpen=0.08),
}
"""What the gallery's people show besides the eight expressions: blinks, winks, a kiss, a laugh, and three vowels."""

MOUTHS: tuple[dict[str, float], ...] = (
    {},
    {},
    dict(jawOpen=0.55, mouthLowerDown=0.2, mouthUpperUp=0.15),
    dict(jawOpen=0.3, mouthLowerDown=0.15),
    dict(mouthStretch=0.4, mouthSmile=0.2, jawOpen=0.15, mouthLowerDown=0.3, mouthUpperUp=0.2),
    dict(mouthFunnel=0.6, jawOpen=0.35),
    dict(mouthPucker=0.8, mouthFunnel=0.3, jawOpen=0.08),
    dict(mouthRollLower=0.55, mouthUpperUp=0.3, jawOpen=0.06),
    dict(mouthPress=0.5, mouthRollLower=0.35, mouthRollUpper=0.35),
    dict(jawOpen=0.06, mouthLowerDown=0.35, mouthUpperUp=0.25, mouthStretch=0.2),
    dict(mouthSmile=0.9, jawOpen=0.45, mouthUpperUp=0.4, mouthLowerDown=0.35, cheekSquint=0.8, eyeSquint=0.55),
    dict(mouthSmile=0.8, jawOpen=0.25, mouthUpperUp=0.45, mouthLowerDown=0.3, cheekSquint=0.6, eyeSquint=0.4),
    dict(mouthPucker=1.0),
    dict(mouthLeft=0.7),
    dict(mouthRight=0.7),
    dict(jawLeft=0.6, jawOpen=0.1),
    dict(jawRight=0.6, jawOpen=0.1),
    dict(cheekPuff=0.9, mouthPress=0.3),
    dict(mouthSmile_L=0.7, cheekSquint_L=0.3),
    dict(mouthSmile_R=0.7, cheekSquint_R=0.3),
    dict(mouthUpperUp_L=0.5, noseSneer_L=0.6),
    dict(mouthUpperUp_R=0.5, noseSneer_R=0.6),
    dict(mouthShrugLower=0.7, mouthShrugUpper=0.3),
)
"""Mouths of speech, laughter and play; the first two are closed and at rest."""

BROWS: tuple[dict[str, float], ...] = (
    {},
    {},
    dict(browInnerUp=0.8),
    dict(browInnerUp=0.8, browOuterUp=0.9),
    dict(browDown=0.9),
    dict(browOuterUp_L=0.9, browInnerUp_L=0.5),
    dict(browOuterUp_R=0.9, browInnerUp_R=0.5),
    dict(browDown=0.6, browInnerUp=0.6),
)
"""Brows; the first two are at rest."""


def weights_of(preset: Mapping[str, float]) -> Floats:
    """Blendshape weights (53,) float32 of a preset."""
    weights = np.zeros(len(BLENDSHAPES), np.float32)
    for name, weight in preset.items():
        for k in indices_of(name):
            weights[k] += weight
    return weights


def indices_of(name: str) -> tuple[int, ...]:
    """Where a blendshape stands among the weights; a name without a side has two places."""
    if name in BLENDSHAPES:
        return (BLENDSHAPES.index(name),)
    return BLENDSHAPES.index(f"{name}_L"), BLENDSHAPES.index(f"{name}_R")
