"""The look of the project's pages."""

import gradio as gr


def page_theme(**variables: str) -> gr.themes.Base:
    """Teal on slate, in the fonts of the visitor's system; `variables` are further ones of Gradio's themes.

    Buttons are dark enough for white text on them, and grey text is dark enough on white (contrast of 4.5, WCAG 2.1
    AA). Boxes and circles to choose from can be seen before they are chosen (contrast of 3).
    """
    return gr.themes.Soft(
        primary_hue="teal",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        body_text_color_subdued="*neutral_500",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        **variables,
    )
