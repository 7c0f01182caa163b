() => {
    // Gradio's divider between before and after follows a mouse or a finger; here it gets the keys of a slider.
    const steps = {ArrowLeft: -0.05, ArrowDown: -0.05, ArrowRight: 0.05, ArrowUp: 0.05, Home: -1, End: 1}
    const place = divider =>
        new DOMMatrix(getComputedStyle(divider).transform).m41 / divider.parentElement.getBoundingClientRect().width
    const say = divider => divider.setAttribute('aria-valuenow', Math.round(100 * place(divider)))
    const move = (divider, share) => {
        const frame = divider.parentElement.getBoundingClientRect()
        const at = {bubbles: true, cancelable: true, view: window, clientX: frame.left + share * frame.width}
        divider.dispatchEvent(new MouseEvent('mousedown', at))
        window.dispatchEvent(new MouseEvent('mouseup', at))
    }
    const equip = divider => {
        const attributes = {
            role: 'slider', tabindex: 0, 'aria-label': 'Before and after', 'aria-valuemin': 0, 'aria-valuemax': 100
        }
        for (const [name, value] of Object.entries(attributes)) divider.setAttribute(name, value)
        new MutationObserver(() => say(divider)).observe(divider, {attributeFilter: ['style']})
        divider.addEventListener('keydown', event => {
            if (!(event.key in steps)) return
            event.preventDefault()
            move(divider, Math.min(1, Math.max(0, place(divider) + steps[event.key])))
        })
        say(divider)
        const pictures = divider.parentElement.querySelectorAll('img')
        pictures.forEach((picture, i) => { picture.alt = ['The photo before the edit', 'The edited photo'][i] })
    }
    const look = () => document.querySelectorAll('#comparison [data-testid=slider]:not([tabindex])').forEach(equip)
    new MutationObserver(look).observe(document.body, {childList: true, subtree: true})
    look()
}
