package score

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// SpeechFiles are the same speech in the forms that the peers can play.
type SpeechFiles struct {
	Narrow string // 8 kHz mono, for G.711
	Medium string // 16 kHz mono, for G.722
	Wide   string // 48 kHz mono
	Stereo string // 48 kHz stereo, as baresip wants it for Opus
}

// sentences of speech: about three minutes. No two are alike, so that every place in the speech is
// found at one place only.
const sentences = 44

// Speech writes the speech into dir, unless it is there already. It runs espeak-ng and sox.
// Each sentence begins with a chirp, whose sharp edges fix the delay.
func Speech(ctx context.Context, dir string) (SpeechFiles, error) {
	files := SpeechFiles{
		Narrow: filepath.Join(dir, "speech8.wav"),
		Medium: filepath.Join(dir, "speech16.wav"),
		Wide:   filepath.Join(dir, "speech48.wav"),
		Stereo: filepath.Join(dir, "speech48s.wav"),
	}
	if _, err := os.Stat(files.Stereo); err == nil {
		return files, nil
	}
	parts, err := os.MkdirTemp(dir, "parts")
	if err != nil {
		return files, fmt.Errorf("make speech: %w", err)
	}
	defer func() { _ = os.RemoveAll(parts) }()
	chirp := filepath.Join(parts, "chirp.wav")
	if err := execute(ctx, "sox", "-n", "-r", "48000", "-c", "1", "-b", "16", chirp,
		"synth", "0.12", "sine", "600:2800", "fade", "q", "0.005", "0.12", "0.005",
		"gain", "-8", "pad", "0.05", "0.08"); err != nil {
		return files, err
	}
	spoken := filepath.Join(parts, "spoken.wav")
	random := rand.New(rand.NewPCG(20050101, 77))
	inputs := make([]string, 0, 2*sentences)
	for i := range sentences {
		part, even := filepath.Join(parts, fmt.Sprintf("%d.wav", i)), filepath.Join(parts, fmt.Sprintf("%d-48.wav", i))
		if err := execute(ctx, "espeak-ng", "-v", "en", "-s", "150", "-w", part, sentence(random)); err != nil {
			return files, err
		}
		if err := execute(ctx, "sox", "-G", part, "-r", "48000", "-c", "1", "-b", "16", even,
			"gain", "-n", "-4"); err != nil {
			return files, err
		}
		inputs = append(inputs, chirp, even)
	}
	if err := execute(ctx, "sox", append(inputs, spoken)...); err != nil {
		return files, err
	}
	// The last one made is the one whose presence means that all are there.
	for _, form := range []struct{ path, rate, channels string }{
		{files.Narrow, "8000", "1"},
		{files.Medium, "16000", "1"},
		{files.Wide, "48000", "1"},
		{files.Stereo, "48000", "2"},
	} {
		if err := execute(ctx, "sox", spoken, "-r", form.rate, "-c", form.channels, "-b", "16", form.path); err != nil {
			return files, err
		}
	}
	return files, nil
}

const vocabulary = `river seven morning window thirteen copper falcon market eleven winter harbour paper
	twenty garden thunder silver number nine letter mountain yellow engine ninety bridge summer forty pocket
	orange station castle`

func sentence(random *rand.Rand) string {
	words := strings.Fields(vocabulary)
	picked := make([]string, 8)
	for i := range picked {
		picked[i] = words[random.IntN(len(words))]
	}
	return strings.Join(picked, " ") + "."
}

func execute(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("make speech: %s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return nil
}
