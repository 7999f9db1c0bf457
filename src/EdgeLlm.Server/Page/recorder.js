// Sound of the microphone as 16 kHz, mono, 16 bit: the browser's rate is lowered by means of the samples that fall into each of ours.
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / 16000;
    this.sum = 0; this.count = 0; this.next = this.step; this.at = 0;
    this.samples = new Int16Array(1600); this.filled = 0;
  }

  process(inputs) {
    for (const sample of inputs[0][0] ?? []) {
      this.sum += sample; this.count++; this.at++;
      if (this.at < this.next) continue;
      this.next += this.step;
      this.samples[this.filled++] = Math.max(-1, Math.min(1, this.sum / this.count)) * 32767;
      this.sum = 0; this.count = 0;
      if (this.filled === this.samples.length) { this.port.postMessage(this.samples.slice()); this.filled = 0; }
    }
    return true;
  }
}

registerProcessor('recorder', Recorder);
