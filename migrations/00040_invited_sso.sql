-- +goose Up
-- Where an account is entered by its identity provider alone, who is invited comes in by it,
-- too: its word that an address is theirs is as good as the mail that the invitation came by.

-- +goose StatementBegin
create function join_by_provider(account uuid, identity bytea, address text) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
    invitation bytea := (
        select i.token_hash from public.invitations i
        where i.account_id = account and i.email = address and i.token_hash is not null
            and i.accepted_at is null and i.revoked_at is null and i.expires_at > now()
            and not exists (select from public.sso_identities k where k.identity_hash = identity)
        order by i.created_at desc limit 1);
    person uuid;
begin
    if invitation is null then
        return;
    end if;
    insert into public.users as u (email) values (address) on conflict on constraint users_email_key do nothing;
    select u.id into person from public.users u where u.email = address;
    if not exists (select from public.members m where m.account_id = account and m.user_id = person) then
        perform public.join_by_invitation(invitation, address, person);
    end if;
end
$$;
-- +goose StatementEnd
comment on function join_by_provider(uuid, bytea, text) is 'takes in who is invited to the account, and whom its identity provider vouches for';

-- +goose StatementBegin
create or replace function sign_in_by_sso(account uuid, identity bytea, address text, verified boolean, client bytea, ip bytea)
returns table (code uuid, account_id uuid, member_role text)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    attempt uuid;
    mail text := case when verified then lower(address) end;
begin
    if account is not null then
        perform public.join_by_provider(account, identity, mail);
        insert into public.sso_identities (identity_hash, account_id, user_id)
        select identity, account, m.user_id
        from public.members m join public.users u on u.id = m.user_id
        where m.account_id = account and u.email = mail
        on conflict do nothing; -- either is known by another one already
        mail := (
            select u.email from public.sso_identities i join public.users u on u.id = i.user_id
            where i.identity_hash = identity and i.account_id = account);
    end if;
    if mail is null then
        return;
    end if;
    insert into public.sign_in_codes as c (email, client_hash, ip_hash, verified_at, sso, sso_account_id)
    values (mail, client, ip, now(), true, account)
    returning c.id into attempt;
    return query
        select attempt, m.account_id, m.role
        from (values (1)) one (n)
        left join public.users u on u.email = mail
        left join public.members m on m.user_id = u.id and (account is null or m.account_id = account)
        order by account is null and not public.may_enter(m.account_id, m.role), m.created_at, m.account_id;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.join_by_provider(uuid, bytea, text) owner to imago_definer';
    execute 'revoke execute on function public.join_by_provider(uuid, bytea, text) from public';
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
