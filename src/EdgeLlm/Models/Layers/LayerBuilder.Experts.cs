using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>Mixtures of experts.</summary>
internal sealed partial class LayerBuilder
{
    /// <summary>From a normed stream to what the experts add; both may be one register.</summary>
    private IEnumerable<Step> Experts(int l, ExpertsSpec experts, Activation activation, Operand from, Operand to)
    {
        int used = experts.Used;
        var routing = new Routing(experts);
        Operand results = _registers.Use("router", experts.Count), weights = _registers.Use("weights of experts", used),
            choices = _registers.Use("experts", used);
        Operand places = _registers.Use("places of rows", used), sharedGate = _registers.Use("gate of the shared expert", 1);
        Operand inputs = _registers.Use("rows", Rows(_model.Width)), gate = _registers.Use("gate", Rows(experts.Width)),
            up = _registers.Use("up", Rows(experts.Width));
        Operand mixed = experts.SharedWidth > 0 ? _registers.Use("mixed experts", _model.Width) : to;
        _registers.UseRows(_model.Width, used);
        _registers.UseRows(experts.Width, used);

        Projection router = To(TensorRole.Router, TensorRole.RouterBias, l, results);
        yield return Project(Operation.Route, from, isLast: false,
            experts.HasSharedGate ? [router, To(TensorRole.SharedExpertGate, null, l, sharedGate)] : [router]);
        yield return new RouteStep(routing, TensorTable.UseOptional(_model, TensorRole.ChoiceBias, l), results, weights, choices, places);
        yield return new GatherStep(routing, places, from, inputs);
        yield return new ExpertProjectStep(Operation.GateUp, routing, inputs,
            OfExperts(TensorRole.GateExperts, TensorRole.GateExpertsBias, l, gate),
            OfExperts(TensorRole.UpExperts, TensorRole.UpExpertsBias, l, up));
        yield return experts.ClampLimit > 0 ? new ClampedActivateStep(experts.ClampFactor, experts.ClampLimit, gate, up)
            : new ActivateStep(activation, gate, up);
        yield return new ExpertProjectStep(Operation.Down, routing, gate,
            OfExperts(TensorRole.DownExperts, TensorRole.DownExpertsBias, l, inputs));
        yield return new CombineStep(routing, places, weights, inputs, mixed);
        if (experts.SharedWidth == 0) yield break;

        Operand shared = _registers.Use("gate", experts.SharedWidth), sharedUp = _registers.Use("up", experts.SharedWidth);
        yield return Project(Operation.GateUp, from, isLast: false, To(TensorRole.SharedGate, null, l, shared),
            To(TensorRole.SharedUp, null, l, sharedUp));
        yield return new ActivateStep(activation, shared, sharedUp);
        yield return Project(Operation.Down, shared, isLast: false, To(TensorRole.SharedDown, null, l, to));
        if (experts.HasSharedGate) yield return new ShareStep(to, sharedGate);
        yield return new AddStep(to, mixed);

        int Rows(int width) => checked(used * width);
    }

    private ExpertProjection OfExperts(TensorRole stack, TensorRole bias, int l, Operand to) =>
        new(Use(stack, l), TensorTable.UseOptional(_model, bias, l), to);
}
