namespace EdgeLlm.Devices.Fakes;

/// <summary>Bytes of a sensor, and the values that have to be read from them.</summary>
/// <param name="Model">As config names it.</param>
/// <param name="Fill">Puts registers and answers into a fake.</param>
/// <param name="Expected">Quantities with their bounds.</param>
internal sealed record SensorExample(string Model, Action<FakeI2cDevice> Fill,
    params (string Quantity, double Least, double Most)[] Expected);

/// <summary>Bytes of sensors on I2C: examples of their data sheets where there are some, else the formulas there turned round.</summary>
internal static class SensorExamples
{
    /// <summary>Calibration of the example in Bosch's BMP280 data sheet (rev. 1.14, section 8.1): 25.08 °C, 1006.53 hPa.</summary>
    private static readonly byte[] BoschCalibration =
        [0x70, 0x6B, 0x43, 0x67, 0x18, 0xFC, 0x7D, 0x8E, 0x43, 0xD6, 0xD0, 0x0B, 0x27, 0x0B, 0x8C, 0x00, 0xF9, 0xFF, 0x8C,
            0x3C, 0xF8, 0xC6, 0x70, 0x17];

    public static IReadOnlyList<SensorExample> All { get; } =
    [
        new("bme280", static device =>
        {
            FillBosch(device, 0x60);
            device.SetRegisters(0xA1, 75);
            device.SetRegisters(0xE1, 0x6A, 0x01, 0, 0x13, 0x28, 0x03, 30); // H2 362, H3 0, H4 312, H5 50, H6 30
            device.SetRegisters(0xFD, 0x6E, 0x00);
        }, ("temperature", 25.07, 25.09), ("humidity", 5, 95), ("pressure", 1006.5, 1006.6)),
        new("bmp280", static device => FillBosch(device, 0x58), ("temperature", 25.07, 25.09), ("pressure", 1006.5, 1006.6)),
        new("bmp180", static device =>
        {
            device.SetRegisters(0xD0, 0x55);
            // The example of the BMP180's data sheet (rev. 2.5, section 3.5); 27898 for both raw values, as both are read at one register.
            device.SetRegisters(0xAA, [.. Words(408, -72, -14383, 32741, 32757, 23153, 6190, 4, -32768, -8711, 2868)]);
            device.SetRegisters(0xF6, 0x6C, 0xFA, 0x00);
        }, ("temperature", 14.9, 15.1), ("pressure", 100, 2000)),
        new("sht3x", static device => device.Answers[""] = Checked(26214, 32768), ("temperature", 24.99, 25.01),
            ("humidity", 49.99, 50.01)),
        new("sht4x", static device => device.Answers[""] = Checked(26214, 29360), ("temperature", 24.99, 25.01), ("humidity", 49.9, 50.1)),
        new("shtc3", static device =>
        {
            device.Answers[""] = Checked(26214, 32768);
            device.Answers["EFC8"] = Checked(0x0807);
        }, ("temperature", 24.9, 25.1), ("humidity", 49.9, 50.1)),
        new("aht10", FillAht, ("temperature", 24.99, 25.01), ("humidity", 49.99, 50.01)),
        new("aht20", FillAht, ("temperature", 24.99, 25.01), ("humidity", 49.99, 50.01)),
        new("am2320", static device => device.Answers[""] = WithModbusSum([0x03, 0x04, 0x01, 0xF4, 0x00, 0xFA]),
            ("temperature", 25, 25), ("humidity", 50, 50)),
        new("hts221", static device =>
        {
            // Registers are read with the bit that lets the address go on (0x80): two points, 20 and 30 °C at 0 and 1000, 40 and 60 % at 0
            // and 1000.
            device.SetRegisters(0xB0, 80, 120, 160, 240);
            device.SetRegisters(0xB5, 0);
            device.SetRegisters(0xB6, 0, 0);
            device.SetRegisters(0xBA, 0xE8, 0x03, 0, 0, 0xE8, 0x03);
            device.SetRegisters(0xA8, 0xF4, 0x01, 0xF4, 0x01);
        }, ("temperature", 24.9, 25.1), ("humidity", 49.9, 50.1)),
        new("si7021", static device =>
        {
            device.Answers["E3"] = [0x68, 0xAD]; // 175.72 * 26797 / 65536 - 46.85
            device.Answers["E5"] = [0x72, 0xB0]; // 125 * 29360 / 65536 - 6
        }, ("temperature", 24.9, 25.1), ("humidity", 49.9, 50.1)),
        new("mcp9808", static device =>
        {
            device.Answers["06"] = [0x00, 0x54];
            device.Answers["07"] = [0x04, 0x00];
            device.Answers["05"] = [0xC1, 0x94]; // flags, then 25.25
        }, ("temperature", 25.25, 25.25)),
        new("lm75", static device => device.Answers["00"] = [0x19, 0x80], ("temperature", 25.5, 25.5)),
        new("mlx90614", static device => device.Answers["07"] = [0x3C, 0x3A, 0x00], ("temperature", 24.9, 25.1)),
        new("bh1750", static device => device.Answers[""] = [0x01, 0x68], ("light", 299, 301)), // 360 / 1.2
        new("tsl2561", static device =>
        {
            device.Answers["EC"] = [0xE8, 0x03]; // channel 0, a word, with the interrupt cleared: 1000
            device.Answers["8E"] = [0x00];
        }, ("light", 30.3, 30.5)),
        new("max44009", static device => device.SetRegisters(0x03, 0x58, 0x08), ("light", 195.8, 195.9)), // 2^5 * 136 * .045
        new("scd4x", static device =>
        {
            device.Answers["E4B8"] = Checked(0x8006); // a measurement is ready
            device.Answers["EC05"] = Checked(600, 26214, 32768);
        }, ("co2", 600, 600), ("temperature", 24.9, 25.1), ("humidity", 49.9, 50.1)),
    ];

    private static void FillBosch(FakeI2cDevice device, byte id)
    {
        device.SetRegisters(0xD0, id);
        device.SetRegisters(0x88, BoschCalibration);
        device.SetRegisters(0xF7, 0x65, 0x5A, 0xC0, 0x7E, 0xED, 0x00);
    }

    /// <summary>Not busy, calibrated; 50 %, 25 °C.</summary>
    private static void FillAht(FakeI2cDevice device) => device.Answers[""] = [0x18, 0x80, 0x00, 0x06, 0x00, 0x00];

    private static IEnumerable<byte> Words(params int[] values) =>
        values.SelectMany(static value => (byte[])[(byte)(value >> 8), (byte)value]);

    /// <summary>Words, each with Sensirion's check sum: polynomial 0x31, beginning with 0xFF.</summary>
    private static byte[] Checked(params int[] words) => [.. words.SelectMany(static word =>
    {
        byte high = (byte)(word >> 8), low = (byte)word;
        int sum = 0xFF;
        foreach (byte value in (byte[])[high, low])
        {
            sum ^= value;
            for (int i = 0; i < 8; i++) sum = (sum & 0x80) != 0 ? (sum << 1 ^ 0x31) & 0xFF : sum << 1 & 0xFF;
        }
        return (byte[])[high, low, (byte)sum];
    })];

    /// <summary>Bytes with the check sum of Modbus, lower byte first.</summary>
    private static byte[] WithModbusSum(byte[] bytes)
    {
        int sum = 0xFFFF;
        foreach (byte value in bytes)
        {
            sum ^= value;
            for (int i = 0; i < 8; i++) sum = (sum & 1) != 0 ? sum >> 1 ^ 0xA001 : sum >> 1;
        }
        return [.. bytes, (byte)sum, (byte)(sum >> 8)];
    }
}
