default_scope = "ganet_mm"

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(
        type="CheckpointHook",
        interval=1,
        max_keep_ckpts=3,
        save_best="culane/F1@50",
        rule="greater",
    ),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="LaneVisualizationHook", num=8),
    report=dict(type="ReportHook", num=4),
    # A config switches these on by one line more in its default_hooks (docs/get_started.md):
    #   ema=dict(type="EMAHook")
    #   early_stopping=dict(
    #       type="EarlyStoppingHook", monitor="culane/F1@50", rule="greater",
    #       min_delta=0.001, patience=10)
)

# Several processes without SyncBN (the CPU): batch norm statistics are averaged every epoch.
custom_hooks = [dict(type="SyncBuffersHook")]

vis_backends = [dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend")]
visualizer = dict(type="LaneVisualizer", vis_backends=vis_backends, name="visualizer")
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=True)

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
# The same command on the same machine, with as many threads, gives the same weights.
randomness = dict(seed=0)
log_level = "INFO"
load_from = None
resume = False
