() => {
    // A number that grows whenever something else is chosen; work remembers the number with which it was begun.
    window.leed = {
        choice: 0,
        begun: {},
        choose() {
            this.choice += 1
            document.querySelector('#result')?.classList.add('outdated')
        },
        begin(name) { this.begun[name] = this.choice },
        fresh(name) { return this.begun[name] === this.choice },
        // Ends once the pictures are those of the last choice: what was clicked may be on its way from the server.
        // After half a minute it gives up, and what was begun is no longer fresh.
        async settled(name) {
            const outdated = () => document.querySelector('#result')?.classList.contains('outdated')
            for (let i = 0; i < 600 && outdated(); i++) await new Promise(wait => setTimeout(wait, 50))
            if (outdated()) delete this.begun[name]
        },
        drawn(name) { if (this.fresh(name)) document.querySelector('#result')?.classList.remove('outdated') },
        // The title of the accordion of mixes, which says what is set in it, and what is shown of a second expression.
        mixture(region, second, where, share) {
            const update = values => ({__type__: 'update', ...values})
            const names = {left: 'left half', right: 'right half'}, mixed = second !== 'none', set = []
            if (region !== 'whole') set.push(`${names[region] ?? region} only`)
            const there = where === 'whole' ? '' : ` at the ${names[where] ?? where}`
            if (mixed) set.push(`${Math.round(100 * share)} % ${second}${there}`)
            const title = set.length ? `Mix or limit: ${set.join(', ')}` : 'Mix or limit'
            return [update({label: title}), update({visible: mixed}), update({visible: mixed})]
        },
        // The buttons and the progress of the video tab, then the edited clip, its row and a note, once there are some.
        clip(state, file, note) {
            const update = values => ({__type__: 'update', ...values}), busy = state === 'busy', done = state === 'done'
            return [
                update({value: busy ? 'One moment ...' : 'Edit the clip', interactive: !busy}),
                update({visible: busy}), update({visible: busy}),
                update({value: done ? file : null, visible: done}), update({visible: done}),
                update({visible: done && note ? true : 'hidden'})
            ]
        }
    }

    // A strength that is being typed may be empty for a moment; Gradio would send none, and then go to 0.
    const numbers = '#alpha input[type=number], #live-alpha input[type=number], #share input[type=number], #clip-alpha input[type=number]'
    const last = new WeakMap()
    document.addEventListener('focus', event => {
        if (event.target.matches?.(numbers)) last.set(event.target, event.target.value)
    }, true)
    document.addEventListener('input', event => {
        if (!event.target.matches?.(numbers)) return
        if (event.target.value === '') event.stopImmediatePropagation()
        else last.set(event.target, event.target.value)
    }, true)
    document.addEventListener('blur', event => {
        if (event.target.matches?.(numbers) && event.target.value === '') event.target.value = last.get(event.target) ?? 1
    }, true)

    // Systems that do not know a format give its files no type, and Gradio refuses these before anyone looks inside.
    const types = {heic: 'heic', heif: 'heif', tif: 'tiff', tiff: 'tiff', avif: 'avif', webp: 'webp'}
    const typed = files => {
        const transfer = new DataTransfer()
        for (const file of files) {
            const ending = file.name.split('.').pop().toLowerCase()
            const type = types[ending] ?? (file.type || 'unknown')  // without an ending the server knows
            const known = file.type.startsWith('image/') || type === file.type
            transfer.items.add(known ? file : new File([file], file.name, {type: `image/${type}`}))
        }
        return transfer
    }
    const takesPictures = place => place.closest?.('.block')?.querySelector('input[type=file]')?.accept.includes('image')
    const untyped = files => Array.from(files ?? []).some(file => !file.type.startsWith('image/'))
    document.addEventListener('change', event => {
        if (event.target.type === 'file' && event.target.accept.includes('image') && untyped(event.target.files)) {
            event.target.files = typed(event.target.files).files
        }
    }, true)
    document.addEventListener('drop', event => {
        if (event.leed || !takesPictures(event.target) || !untyped(event.dataTransfer?.files)) return
        event.preventDefault()
        event.stopImmediatePropagation()
        const again = new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer: typed(event.dataTransfer.files)})
        again.leed = true
        event.target.dispatchEvent(again)
    }, true)

    // Clips that a browser cannot play, such as HEVC with 10 bits, are edited all the same: style.css says so.
    const told = (event, unplayable) => {
        if (event.target.matches?.('#clip video, #edited-clip video')) {
            event.target.closest('#clip, #edited-clip').classList.toggle('unplayable', unplayable)
        }
    }
    document.addEventListener('error', event => told(event, true), true)
    document.addEventListener('loadedmetadata', event => told(event, false), true)

    // What Gradio says of files, in the page's words.
    const megabytes = () => Math.round((window.gradio_config?.max_file_size ?? 0) / 2 ** 20)
    const words = [
        [/exceed the maximum allowed size/, () => `This file is larger than ${megabytes()} MB: please give a smaller one.`],
        [/^Invalid file type.*video/, () => 'This file is not a clip that can be read; MP4, MOV and WebM work.'],
        [/^Invalid file type.*safetensors/, () => 'This file is not a saved expression (.safetensors).'],
        [/^Invalid file type/, () => 'This file is not a picture that can be read; JPEG, PNG and WebP work.']
    ]
    const reword = toast => {
        const texts = document.createTreeWalker(toast, NodeFilter.SHOW_TEXT)
        while (texts.nextNode()) {
            const text = texts.currentNode, own = words.find(([pattern]) => pattern.test(text.nodeValue.trim()))
            if (own) text.nodeValue = own[1]()
        }
    }

    // Messages that say the same are shown once; the access to the camera is called the same everywhere.
    const tidy = () => {
        const seen = new Set()
        for (const toast of document.querySelectorAll('[data-testid=toast-body]')) {
            reword(toast)
            const said = seen.has(toast.innerText) || toast.innerText.includes('Video not playable')  // told in its place
            if (said) toast.querySelector('.toast-close')?.click()
            seen.add(toast.innerText)
        }
        for (const button of document.querySelectorAll('button .wrap')) {
            const text = button.lastChild
            if (text?.nodeType === Node.TEXT_NODE && text.nodeValue.trim() === 'Click to Access Webcam') {
                text.nodeValue = ' Use the camera'
            }
        }
        const waits = document.querySelector('#camera')?.innerText.includes('Waiting') ?? false
        document.querySelector('#live-wait')?.classList.toggle('waits', waits)
    }
    new MutationObserver(tidy).observe(document.body, {childList: true, subtree: true, characterData: true})
    tidy()

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
