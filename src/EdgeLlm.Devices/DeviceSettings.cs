namespace EdgeLlm.Devices;

/// <summary>Kinds of devices.</summary>
public enum DeviceKind
{
    /// <summary>Something that shines, on a line or a PWM channel: 0 to 100 %.</summary>
    Light,

    /// <summary>A switch of anything else: on or off.</summary>
    Relay,

    /// <summary>A strip of WS2812 lights on SPI: 0 to 100 % and a color.</summary>
    Strip,

    /// <summary>A push button.</summary>
    Button,

    /// <summary>The light that shows the assistant's state.</summary>
    Status,

    /// <summary>Makes tones.</summary>
    Buzzer,

    /// <summary>Shows text.</summary>
    Display,

    /// <summary>Measures.</summary>
    Sensor,
}

/// <summary>A device and where it is connected.</summary>
public sealed record DeviceSettings
{
    /// <summary>The name that people use, such as `kitchen light`.</summary>
    public required string Name { get; init; }

    /// <summary>Kind of device.</summary>
    public required DeviceKind Kind { get; init; }

    /// <summary>The model of a display or sensor, such as `ssd1306` or `bme280`.</summary>
    public string Model { get; init; } = "";

    /// <summary>The gpiochip of <see cref="Line"/>; null: that of the board's header.</summary>
    public int? Chip { get; init; }

    /// <summary>A line of a gpiochip; on a Raspberry Pi the BCM number.</summary>
    public int? Line { get; init; }

    /// <summary>A second line, such as the echo of an HC-SR04.</summary>
    public int? SecondLine { get; init; }

    /// <summary>Whether low means on (of a button: pressed).</summary>
    public bool IsActiveLow { get; init; }

    /// <summary>Whether a button's line has a resistor of its own, so that the chip's is not needed.</summary>
    public bool HasResistor { get; init; }

    /// <summary>Chip and channel of PWM.</summary>
    public (int Chip, int Channel)? Pwm { get; init; }

    /// <summary>Bus and chip select of SPI.</summary>
    public (int Bus, int ChipSelect)? Spi { get; init; }

    /// <summary>Bus and address of I2C.</summary>
    public (int Bus, int Address)? I2c { get; init; }

    /// <summary>Pixels of a strip.</summary>
    public int Pixels { get; init; } = 8;

    /// <summary>Width of a display: pixels or characters.</summary>
    public int Width { get; init; } = 128;

    /// <summary>Height of a display: pixels or lines.</summary>
    public int Height { get; init; } = 64;

    /// <summary>State of an output at start, at exit and after a fault: off (0) unless config says on.</summary>
    public bool IsSafeOn { get; init; }

    /// <summary>The 1-Wire id of a DS18B20, such as 28-0316a2791aff; empty: the first that is found.</summary>
    public string DeviceId { get; init; } = "";
}
