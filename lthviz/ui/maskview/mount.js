export default args => mount(MaskView, args);
