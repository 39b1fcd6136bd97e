-- +goose Up
-- A subscription that is set to end is told of by mail, once each time.

alter table messages drop constraint messages_kind_known;
alter table messages add constraint messages_kind_known
    check (kind in ('finding', 'receipt', 'window_open', 'snapshot_failed', 'snapshot_overdue', 'log_silent',
        'payment_failed', 'subscription_ends', 'subscription_ended', 'trial_ends', 'trial_ended', 'digest', 'storm', 'mail_stopped', 'product_update'));
