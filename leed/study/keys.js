// Digits press the buttons. A click right after an answer is a double click, not an answer about the next picture.
let answered = 0
document.addEventListener('click', event => {
    if (!event.target.closest('.answer')) return
    if (Date.now() - answered < 400) { event.stopImmediatePropagation(); event.preventDefault() }
    else answered = Date.now()
}, true)
document.addEventListener('keydown', event => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return
    const buttons = [...document.querySelectorAll('.answer')].filter(button => button.offsetParent)
    buttons[Number(event.key) - 1]?.click()
})
